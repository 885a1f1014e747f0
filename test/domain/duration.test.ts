import { expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../src/domain/duration.ts';

const limits = { atLeastMs: 0, atMostMs: 86_400_000 };

it.each(['0s', '90s', '15m', '6h', '1d'])('%s is read, and written as it was', (text) => {
  expect(formatDuration(parseDuration(text, limits))).toBe(text);
});

it.each(['', '5', '-5m', '1.5h', '2d', '5 minutes', '1e3s'])('"%s" is refused', (text) => {
  expect(() => parseDuration(text, limits)).toThrow(expect.objectContaining({ code: 'bad-duration' }));
});
