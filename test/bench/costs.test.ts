import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Costed, renderCosts } from '../../bench/costs.ts';
import { hasProc } from '../../bench/processes.ts';
import { variants } from '../../bench/variants.ts';

const BENCH = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const run = promisify(execFile);
const names = variants.map(({ name }) => name);

const costed = (variant: string, round: number, mergeMs: number): Costed => ({
  ...{ variant, round, mergeMs, phase: 'cold', rows: 1_000, cpuMs: 2 * mergeMs, walBytes: 50_000 },
  disk: { records: 900_000, indexes: 80_000, log: 20_000 },
});

describe('what a merge costs', () => {
  it.runIf(hasProc)('is measured in each variant of the database, for each phase', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sheaf-bench-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const json = join(folder, 'figures.json');
    const options = ['--case', 'costs', '--rows', '1000', '--rounds', '1', '--json', json];
    const { stdout } = await run(process.execPath, [BENCH, ...options]);
    for (const phase of ['cold', 'warm', 'changed']) expect(stdout).toContain(`## 1,000 records, ${phase}`);
    const { costed: found } = JSON.parse(await readFile(json, 'utf8')) as { costed: Costed[] };
    expect([...new Set(found.map(({ variant }) => variant))]).toEqual(names);
    expect(found).toHaveLength(3 * names.length);
    for (const { mergeMs, walBytes, disk } of found) {
      expect(Math.min(mergeMs, walBytes)).toBeGreaterThan(0);
      expect(disk.records).toBeGreaterThan(1_000_000);
    }
    // Counts that no machine changes: a note of a record in the WAL, and none of a merge that finds nothing.
    const wal = (variant: string, phase: string) =>
      (found.find((each) => each.variant === variant && each.phase === phase)?.walBytes ?? 0) / 1_000;
    expect(wal('bare + log of changes', 'cold')).toBeGreaterThan(wal('bare', 'cold') + 100);
    expect(wal('as shipped', 'warm')).toBeLessThan(wal('as shipped', 'cold'));
  });

  it('is told as the median of the rounds, and of what it is more than bare in the same round', () => {
    const text = renderCosts([
      ...[costed('bare', 1, 100), costed('bare', 2, 900), costed('bare', 3, 200)],
      ...[costed('as shipped', 1, 600), costed('as shipped', 2, 1_000), costed('as shipped', 3, 900)],
    ]);
    expect(text).toContain('| bare | 0.20 (+0.00) | 40.00 (+0.00) | 50 | 1,000 | 80 | 20 |');
    expect(text).toContain('| as shipped | 0.90 (+0.50) | 180.00 (+100.00) | 50 | 1,000 | 80 | 20 |');
  });
});
