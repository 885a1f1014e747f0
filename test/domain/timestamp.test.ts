import { describe, expect, it } from 'vitest';
import { microsecondsOf, readTimestamp, secondsOf } from '../../src/domain/timestamp.ts';

describe('a timestamp', () => {
  it('is a real date and time without a zone, and nothing else', () => {
    for (const text of ['0001-01-01T00:00:00', '2000-02-29T23:59:59.9', '9999-12-31T23:59:59.999999999'])
      expect(readTimestamp(text), text).toBe(text);
    const others = ['2023-02-29T00:00:00', '1900-02-29T00:00:00', '2014-09-31T00:00:00', '0000-01-01T00:00:00'];
    const more = ['2014-13-01T00:00:00', '2014-09-19T24:00:00', '2014-09-19T00:60:00', '2014-09-19T00:00:60'];
    for (const text of [...others, ...more, '2014-09-19', '2014-09-19T14:41:02Z', '2014-09-19T14:41:02.', null, 7])
      expect(readTimestamp(text), String(text)).toBeNull();
  });

  it('is so many seconds from 1970 as Date tells, on every day of 400 years, after which the calendar repeats', () => {
    const daySeconds = 86_400;
    for (let seconds = Date.UTC(1800) / 1000; seconds < Date.UTC(2200) / 1000; seconds += daySeconds + 7) {
      const text = new Date(seconds * 1000).toISOString().slice(0, 19);
      if (secondsOf(text) !== seconds) expect.fail(`${text}: ${secondsOf(text)} and not ${seconds}`);
    }
    expect(secondsOf('2014-09-19T14:41:02.653')).toBe(Date.UTC(2014, 8, 19, 14, 41, 2) / 1000);
    for (const text of ['0001-01-01T00:00:00', '0099-03-01T12:30:00', '9999-12-31T23:59:59'])
      expect(secondsOf(text)).toBe(Date.parse(`${text}Z`) / 1000);
  });

  it('has a fraction in whole microseconds, halves to the even one', () => {
    const fractions = [
      '',
      '.8',
      '.87',
      '.653',
      '.123456',
      '.1234565',
      '.1234575',
      '.12345650',
      '.123456501',
      '.9999999',
    ];
    const expected = [0, 800_000, 870_000, 653_000, 123_456, 123_456, 123_458, 123_456, 123_457, 1_000_000];
    // Not quite halves, as doubles.
    fractions.push('.0002535', '.0019685', '.0039155');
    expected.push(253, 1_969, 3_915);
    expect(fractions.map((fraction) => microsecondsOf(`2014-09-19T14:41:02${fraction}`))).toEqual(expected);
  });
});
