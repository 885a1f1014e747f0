import { describe, expect, it } from 'vitest';
import {
  checkTimetable,
  formatInZone,
  isReadable,
  nextAfter,
  nextTimes,
  parseMoment,
  timesUpTo,
  timesWithin,
} from '../../src/domain/cron.ts';

const COPENHAGEN = 'Europe/Copenhagen';
const at = (text: string) => new Date(text);
const year = { from: at('2025-12-31T23:00Z'), to: at('2026-12-31T23:00Z'), count: 100_000 };
const yearOf = (cron: string, timeZone = COPENHAGEN) => timesWithin({ cron, timeZone }, year);
const localDay = (time: Date) => formatInZone(time, COPENHAGEN).slice(0, 10);

describe('a year with both changes of the clock', () => {
  it.each(['30 2 * * *', '0 2 * * *', '59 2 * * *', '0 3 * * *', '30 1 * * *', '0 0 * * *', '15 30 2 * * *'])(
    'has "%s" due exactly once on each day',
    (cron) => {
      const days = yearOf(cron).map(localDay);
      expect(days).toHaveLength(365);
      expect(new Set(days).size).toBe(365);
    },
  );

  it('has a time that does not exist due when the clock jumps, and one that comes twice the first time', () => {
    const spring = timesWithin(
      { cron: '30 2 * * *', timeZone: COPENHAGEN },
      { from: at('2026-03-29T00:00Z'), to: at('2026-03-30T00:00Z'), count: 9 },
    );
    expect(spring.map((time) => formatInZone(time, COPENHAGEN))).toEqual(['2026-03-29 03:00:00 +02:00']);
    const autumn = timesWithin(
      { cron: '30 2 * * *', timeZone: COPENHAGEN },
      { from: at('2026-10-24T22:00Z'), to: at('2026-10-25T23:00Z'), count: 9 },
    );
    expect(autumn.map((time) => formatInZone(time, COPENHAGEN))).toEqual(['2026-10-25 02:30:00 +02:00']);
  });

  it('has a list of times of day due at each of them on each day', () => {
    expect(yearOf('30 2,14 * * *')).toHaveLength(730);
  });

  it.each([
    ['0 * * * *', 60],
    ['5,35 * * * *', 30],
  ])('keeps the pace of "%s" in real time', (cron, minutes) => {
    const times = yearOf(cron).map((time) => time.getTime());
    const gaps = new Set(times.slice(1).map((time, position) => time - (times[position] ?? 0)));
    expect([...gaps]).toEqual([minutes * 60_000]);
  });

  it.each(['2026-03-28T12:00Z', '2026-10-24T12:00Z'])(
    'keeps the pace of a quarter of an hour after %s, too',
    (from) => {
      const span = { from: at(from), to: new Date(at(from).getTime() + 86_400_000), count: 1_000 };
      expect(timesWithin({ cron: '*/15 * * * *', timeZone: COPENHAGEN }, span)).toHaveLength(96);
    },
  );

  it.each(['30 2 * * *', '0 * * * *', '*/20 1-3 * * *', '0 9 * * 1-5', '0 12 1,15 * *', '*/15 * * * *'])(
    'lists for "%s" the same times forwards, one by one, and backwards',
    (cron) => {
      const timetable = { cron, timeZone: COPENHAGEN };
      for (const around of ['2026-03-29T01:00Z', '2026-10-25T00:30Z', '2026-10-25T01:00Z', '2026-07-01T00:00Z']) {
        const [from, upto] = [at(around).getTime() - 86_400_000, at(around).getTime() + 86_400_000].map(
          (ms) => new Date(ms),
        ) as [Date, Date];
        const forwards = timesWithin(timetable, { from, to: new Date(upto.getTime() + 1_000), count: 1_000 });
        const oneByOne: Date[] = [];
        for (let time = nextAfter(timetable, new Date(from.getTime() - 1_000)); time !== null && time <= upto; ) {
          oneByOne.push(time);
          time = nextAfter(timetable, time);
        }
        expect(oneByOne).toEqual(forwards);
        expect(timesUpTo(timetable, { from, upto, count: 1_000 })).toEqual(forwards);
      }
    },
  );
});

describe('timesUpTo', () => {
  it('includes a time that is due at this very moment, and none that lies ahead', () => {
    const timetable = { cron: '0 * * * *', timeZone: 'UTC' };
    const from = at('2026-01-01T00:00Z');
    expect(timesUpTo(timetable, { from, upto: at('2026-01-01T02:00:00.000Z'), count: 9 })).toHaveLength(3);
    expect(timesUpTo(timetable, { from, upto: at('2026-01-01T01:59:59.999Z'), count: 9 })).toHaveLength(2);
    expect(timesUpTo(timetable, { from, upto: at('2026-01-01T02:00:00.001Z'), count: 2 })).toHaveLength(2);
  });
});

describe('a timetable', () => {
  const now = at('2026-01-01T00:00Z');
  it('is stored as its zone is spelt, without needless blanks', () => {
    expect(checkTimetable({ cron: ' 30  2 * * * ', timeZone: 'europe/copenhagen' }, now)).toEqual({
      cron: '30 2 * * *',
      timeZone: COPENHAGEN,
    });
  });

  it.each([
    '',
    'often',
    '61 * * * *',
    '* 25 * * *',
    '* * * *',
    '* * * * * * *',
    '@daily',
    '@reboot',
    '2027-01-01T00:00:00',
    '30 2 * * 8',
    '0 0 30 2 *',
    '1-0 * * * *',
  ])('is refused with the expression "%s"', (cron) => {
    expect(() => checkTimetable({ cron, timeZone: 'UTC' }, now)).toThrow(
      expect.objectContaining({ code: 'bad-cron', message: expect.stringContaining(`"${cron}"`) }),
    );
  });

  it('is refused with an expression of more than 200 characters, which is not repeated', () => {
    const list = (length: number) => `${'0,'.repeat(5)}0 * * * ${'1,'.repeat(length)}1`;
    expect(() => checkTimetable({ cron: list(90), timeZone: 'UTC' }, now)).not.toThrow();
    for (const length of [100, 20_000])
      expect(() => checkTimetable({ cron: list(length), timeZone: 'UTC' }, now)).toThrow(
        expect.objectContaining({ code: 'bad-cron', message: expect.stringMatching(/^A cron .{1,160}$/) }),
      );
  });

  it.each([
    { cron: 'often', timeZone: 'UTC' },
    { cron: '0 0 * * *', timeZone: 'Mars/Phobos' },
    { cron: '0 0 * * *', timeZone: '' },
  ])('that cannot be read any more says so: %j', (timetable) => {
    expect(isReadable(timetable)).toBe(false);
    expect(() => nextAfter(timetable, now)).toThrow(expect.objectContaining({ code: 'unreadable-timetable' }));
  });

  it.each(['', 'Europe/Copenhagn', '+02:00', 'Mars/Phobos', '../etc'])('is refused with the zone "%s"', (timeZone) => {
    expect(() => checkTimetable({ cron: '0 0 * * *', timeZone }, now)).toThrow(
      expect.objectContaining({ code: 'unknown-time-zone' }),
    );
  });

  it('is refused with the nearest zone that there is', () => {
    expect(() => checkTimetable({ cron: '0 0 * * *', timeZone: 'Europe/Copenhagn' }, now)).toThrow(
      'Did you mean "Europe/Copenhagen"?',
    );
  });

  it('knows a day that comes only in leap years', () => {
    expect(nextTimes({ cron: '0 0 29 2 *', timeZone: 'UTC' }, now, 2)).toEqual([
      at('2028-02-29T00:00Z'),
      at('2032-02-29T00:00Z'),
    ]);
  });
});

describe('a moment', () => {
  it.each([
    ['2026-11-01', '2026-10-31T23:00:00.000Z'],
    ['2026-07-01T02:30', '2026-07-01T00:30:00.000Z'],
    ['2026-07-01 02:30:15', '2026-07-01T00:30:15.000Z'],
    ['2026-07-01T02:30Z', '2026-07-01T02:30:00.000Z'],
    ['2026-07-01T02:30-05:00', '2026-07-01T07:30:00.000Z'],
    ['2026-10-25T02:30', '2026-10-25T00:30:00.000Z'],
  ])('%s is read in the zone unless it has its own', (text, expected) => {
    expect(parseMoment(text, COPENHAGEN).toISOString()).toBe(expected);
  });

  it.each(['yesterday', '2026-02-30', '2026-02-30T10:00Z', '2026-13-01', '2026-11-01T25:00', '2026-11-01T', '', '1'])(
    '"%s" is refused',
    (text) => {
      expect(() => parseMoment(text, COPENHAGEN)).toThrow(expect.objectContaining({ code: 'bad-moment' }));
    },
  );
});
