import type { Random } from './seeded.ts';

/**
 * Ascending ids that use the given share of their range, unevenly: dense runs of varying length between gaps of which a few hold
 * most of what is missing. The first is 1; `count` ids span about `count / density`.
 */
export function clusteredIds(random: Random, count: number, density: number): number[] {
  const missing = Math.max(0, Math.round(count / density) - count);
  const runs = runLengths(random, count, missing);
  const gaps = gapLengths(random, runs.length - 1, missing);
  const ids: number[] = [];
  let next = 1;
  for (const [index, length] of runs.entries()) {
    for (let step = 0; step < length; step += 1) ids.push(next + step);
    next += length + (gaps[index] ?? 0);
  }
  return ids;
}

/** Splits `count` into runs: few and long where little is missing, many and short where much is. */
function runLengths(random: Random, count: number, missing: number): number[] {
  const mean = missing === 0 ? count : Math.min(Math.max(2, (6 * count) / missing), Math.max(1, count / 8));
  const lengths: number[] = [];
  let left = count;
  while (left > 0) {
    const length = Math.min(left, Math.max(1, Math.round(-Math.log(1 - random()) * mean)));
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

/** Splits `missing` into gaps; the cube makes a few of them very wide. */
function gapLengths(random: Random, gaps: number, missing: number): number[] {
  const weights = Array.from({ length: Math.max(0, gaps) }, () => (-Math.log(1 - random())) ** 3);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let given = 0;
  let passed = 0;
  return weights.map((weight) => {
    passed += weight;
    const upTo = Math.round((passed / sum) * missing);
    const gap = upTo - given;
    given = upTo;
    return gap;
  });
}
