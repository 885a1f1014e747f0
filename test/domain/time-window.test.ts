import { describe, expect, it } from 'vitest';
import {
  beforeWatermark,
  clockIn,
  later,
  parseLocalTime,
  secondAfter,
  untilNow,
} from '../../src/domain/time-window.ts';

describe('a time by the source’s clock', () => {
  it.each([
    ['2025-01-31', '2025-01-31T00:00:00'],
    ['2025-01-31T12:30', '2025-01-31T12:30:00'],
    [' 2025-01-31 12:30:59 ', '2025-01-31T12:30:59'],
    ['2014-09-19T17:49:11.87', '2014-09-19T17:49:11'],
    ['2024-02-29', '2024-02-29T00:00:00'],
  ])('is read from %j as a whole second', (text, time) => {
    expect(parseLocalTime(text)).toBe(time);
  });

  it.each(['', '2025', '31.01.2025', '2025-02-29', '2025-13-01', '2025-01-31T24:00', '2025-01-31T12:00:00Z'])(
    'is not read from %j',
    (text) => {
      expect(parseLocalTime(text)).toBeNull();
    },
  );

  it.each(['2025-01-31T12:00:00+01:00', '0000-01-01', '2025-01-31T12:60', 'yesterday', '2025-01-31T'])(
    'is not read from %j either',
    (text) => {
      expect(parseLocalTime(text)).toBeNull();
    },
  );
});

describe('the bounds of a step', () => {
  it('reach back over the hour that a clock put back writes twice, and further', () => {
    expect(beforeWatermark('2025-10-26T02:59:59.997')).toBe('2025-10-26T00:59:59');
    expect(beforeWatermark('2025-01-01T01:00:00')).toBe('2024-12-31T23:00:00');
    expect(beforeWatermark('0001-01-01T00:00:00')).toBe('0001-01-01T00:00:00');
  });

  it('end at a whole second that no fraction of the last one reaches', () => {
    expect(secondAfter('2014-09-19T17:49:59.997')).toBe('2014-09-19T17:50:00');
    expect(secondAfter('2014-09-19T14:41:02')).toBe('2014-09-19T14:41:03');
    expect(secondAfter('9999-12-31T23:59:59.997')).toBeNull();
  });

  it('are told from what a clock in the source’s zone shows', () => {
    expect(clockIn('Europe/Copenhagen', new Date('2025-10-26T00:30:00Z'))).toBe('2025-10-26T02:30:00');
    expect(clockIn('Europe/Copenhagen', new Date('2025-10-26T01:30:00Z'))).toBe('2025-10-26T02:30:00');
    expect(clockIn('Europe/Copenhagen', new Date('2025-01-01T23:00:00Z'))).toBe('2025-01-02T00:00:00');
  });

  it.each([
    ['2026-03-01T12:59:59.97', '2026-03-01T12:59:59.97'],
    ['2026-03-01T13:00:01', '2026-03-01T13:00:00'], // noon in UTC is one o'clock in Copenhagen
    ['2026-03-02T12:00:00', '2026-03-01T13:00:00'],
    ['9999-12-31T23:59:59.997', '2026-03-01T13:00:00'],
    ['2026-02-28T11:59:59', '2026-02-28T11:59:59'],
    ['2014-09-19T14:41:02.87', '2014-09-19T14:41:02.87'],
  ])('bound %s by what the clock shows now', (timestamp, bounded) => {
    expect(untilNow(timestamp, 'Europe/Copenhagen', new Date('2026-03-01T12:00:00Z'))).toBe(bounded);
  });

  it('are bounded even where the clock shows another day', () => {
    const now = new Date('2026-03-01T12:00:00Z');
    expect(untilNow('2026-03-01T12:00:00', 'Pacific/Pago_Pago', now)).toBe('2026-03-01T01:00:00');
    expect(untilNow('2026-03-02T01:30:00', 'Pacific/Kiritimati', now)).toBe('2026-03-02T01:30:00');
  });

  it('compare timestamps of any precision', () => {
    expect(later('2014-09-19T14:41:02', '2014-09-19T14:41:02.5')).toBe('2014-09-19T14:41:02.5');
    expect(later('2014-09-19T14:41:02.87', '2014-09-19T14:41:02.5')).toBe('2014-09-19T14:41:02.87');
    expect([later(null, null), later(null, '2014-01-01T00:00:00'), later('2014-01-01T00:00:00', null)]).toEqual([
      null,
      '2014-01-01T00:00:00',
      '2014-01-01T00:00:00',
    ]);
  });
});
