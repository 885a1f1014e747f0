import { describe, expect, it } from 'vitest';
import { parseMoment } from '../../src/domain/moment.ts';

const now = new Date('2026-11-21T12:00:00Z');

describe('a moment', () => {
  it.each([
    ['2026-11-01', '2026-11-01T00:00:00.000Z'],
    ['2026-11-01T14:30', '2026-11-01T14:30:00.000Z'],
    ['2026-11-01T14:30:15.25', '2026-11-01T14:30:15.250Z'],
    ['2026-11-01T14:30Z', '2026-11-01T14:30:00.000Z'],
    ['2026-11-01T14:30+01:00', '2026-11-01T13:30:00.000Z'],
    ['2d', '2026-11-19T12:00:00.000Z'],
    [' 90m ', '2026-11-21T10:30:00.000Z'],
  ])('%s is %s', (text, iso) => {
    expect(parseMoment(text, now).toISOString()).toBe(iso);
  });

  it.each(['yesterday', '', '2026-13-01', '2026-11-01 14:30', '2w', '-1d', '1.5h'])('is not "%s"', (text) => {
    expect(() => parseMoment(text, now)).toThrow(expect.objectContaining({ code: 'bad-moment' }));
  });
});
