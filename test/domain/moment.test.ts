import { describe, expect, it } from 'vitest';
import { parseMoment, parsePastMoment } from '../../src/domain/moment.ts';

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

  it.each(['2026-11-31', '2026-02-29', '2026-02-30T12:00', '2026-11-31T12:00+01:00', '2026-00-10', '2026-04-00'])(
    'is not on %s, which no calendar has',
    (text) => {
      expect(() => parseMoment(text, now)).toThrow(/There is no day 2026-\d\d-\d\d in the calendar/);
    },
  );

  it('may be on 29 February of a leap year', () => {
    expect(parseMoment('2024-02-29', now).toISOString()).toBe('2024-02-29T00:00:00.000Z');
  });

  it('may be asked to have been', () => {
    expect(parsePastMoment('2026-11-21T12:00', now)).toEqual(now);
    expect(parsePastMoment('0s', now)).toEqual(now);
    expect(() => parsePastMoment('2026-11-21T12:00:00.001', now)).toThrow(
      expect.objectContaining({
        code: 'bad-moment',
        message: expect.stringMatching(/still to come: it is 2026-11-21T12:00/),
      }),
    );
    expect(parseMoment('2030-01-01', now).getUTCFullYear()).toBe(2030);
  });
});
