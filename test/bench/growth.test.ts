import { describe, expect, it } from 'vitest';
import { renderGrowth } from '../../bench/growth.ts';
import type { Harvested } from '../../bench/harvests.ts';

const MEGABYTE = 1_000_000;

/** A harvest of so many records in a second, and what its processes had for themselves. */
function harvested(rows: number, own: { program: number; postgres: number }, round = 1): Harvested {
  const none = { program: 0, postgres: 0, redis: 0, upstream: 0 };
  return {
    ...{ program: 'sheaf-postgres', phase: 'cold', rows, round, startedAt: 0, wallMs: 1_000, ownMs: 900 },
    ...{ cpuMs: none, walBytes: 0, redisBytes: 0, queueBytes: 0, sharedBytes: 268 * MEGABYTE },
    peakBytes: { ...none, program: 2 * own.program * MEGABYTE, postgres: 400 * MEGABYTE },
    roles: [
      { part: 'program', role: 'node sheaf.mjs', ownBytes: own.program * MEGABYTE },
      { part: 'postgres', role: 'client sheaf', ownBytes: own.postgres * MEGABYTE },
      { part: 'postgres', role: 'checkpointer', ownBytes: 2 * MEGABYTE },
      { part: 'upstream', role: 'node upstream.ts', ownBytes: 900 * MEGABYTE },
    ],
  };
}

const lineOf = (text: string, start: string): string[] =>
  (text.split('\n').find((line) => line.startsWith(`| ${start} |`)) ?? '')
    .split('|')
    .slice(2, -1)
    .map((cell) => cell.trim());

describe('the growth of a harvest', () => {
  const text = renderGrowth([
    harvested(100, { program: 100, postgres: 20 }),
    harvested(1_000, { program: 110, postgres: 20 }),
    harvested(5_000, { program: 150, postgres: 50 }),
  ]);

  it('is told beside the first number of records, for the pace and for the largest process of each part', () => {
    expect(lineOf(text, '1,000 / 100')).toEqual(['10.00', '1.10', '1.00', '', '1.10', '1.00', '', '']);
    expect(lineOf(text, '5,000 / 100')).toEqual(['50.00', '1.50', '2.50', '', '1.50', '1.00', '', '']);
  });

  it('is told for each role, but for those of the upstream', () => {
    expect(lineOf(text, 'postgres: client sheaf')).toEqual(['20.0', '20.0', '50.0', '2.50']);
    expect(lineOf(text, 'postgres: checkpointer')).toEqual(['2.0', '2.0', '2.0', '1.00']);
    expect(text).not.toContain('upstream.ts');
  });

  it('is nothing where there is one number of records only', () => {
    const alone = renderGrowth([harvested(100, { program: 100, postgres: 20 })]);
    expect(alone).not.toContain('ratios');
    expect(lineOf(alone, 'postgres: client sheaf')).toEqual(['20.0']);
  });
});
