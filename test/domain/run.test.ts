import { describe, expect, it } from 'vitest';
import { parseDataset } from '../../src/domain/dataset.ts';
import { checkRunReference, exitCodeOf, newRunId, stillExpected } from '../../src/domain/run.ts';

describe('a run’s id', () => {
  it('is its UTC start and four characters that cannot be mistaken', () => {
    const id = newRunId(new Date('2026-11-21T15:30:12.345Z'), Uint8Array.of(0, 31, 32, 255));
    expect(id).toMatch(/^20261121-153012-[a-hjkmnp-tv-z0-9]{4}$/);
  });

  it('sorts by time', () => {
    const at = (time: string) => newRunId(new Date(time), crypto.getRandomValues(new Uint8Array(4)));
    expect(at('2026-11-21T15:30:12Z') < at('2026-11-21T15:30:13Z')).toBe(true);
  });

  it.each(['latest', '20261121-153012-x7k2', 'x7k2'])('is taken as %s', (text) => {
    expect(checkRunReference(text)).toBe(text);
  });

  it.each(['', '%', 'x', "x'; drop table", 'X7K2'])('is refused as "%s"', (text) => {
    expect(() => checkRunReference(text)).toThrow(/is not a run/);
  });
});

describe('a dataset’s name', () => {
  it('is read whichever way its letters are composed', () => {
    expect(parseDataset('oda/Aktør')).toEqual({ source: 'oda', entity: 'Aktør' });
    expect(parseDataset('oda/a\u030a')).toEqual({ source: 'oda', entity: 'å' });
  });

  it.each(['', 'oda', 'oda/', '/Sag', 'oda/Sag/1', 'oda / Sag', 'ODA/Sag'])('is refused as "%s"', (text) => {
    expect(() => parseDataset(text)).toThrow(/is not a dataset/);
  });
});

describe('the exit code', () => {
  it.each([
    [['complete'], 0],
    [['complete', 'partial'], 3],
    [['partial', 'failed'], 1],
    [['cancelled', 'partial'], 4],
    [['fetching'], 0],
  ] as const)('of runs that ended %j is %i', (states, code) => {
    expect(exitCodeOf(states)).toBe(code);
  });
});

it('expects of a repair no less than has come, and of any other run what the source has said', () => {
  const ranges = [{ after: 0, upto: 200 }];
  expect(stillExpected({ expected: 99, ranges }, 99)).toBe(99);
  expect(stillExpected({ expected: 99, ranges }, 100)).toBeNull();
  expect(stillExpected({ expected: 99, ranges: null }, 100)).toBe(99);
  expect(stillExpected({ expected: null, ranges }, 100)).toBeNull();
});
