import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Harvested } from '../../bench/harvests.ts';
import { hasProc } from '../../bench/processes.ts';

const BENCH = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const run = promisify(execFile);

describe.runIf(hasProc)('the bench', () => {
  it('measures harvests by the command, each checked, in a short form', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sheaf-bench-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const json = join(folder, 'figures.json');
    const options = ['--quick', '--rows', '4000', '--programs', 'sheaf-postgres', '--phases', 'cold'];
    const { stdout } = await run(process.execPath, [BENCH, ...options, '--json', json]);
    expect(stdout).toMatch(/## 4,000 records, cold/);
    const { harvested } = JSON.parse(await readFile(json, 'utf8')) as { harvested: Harvested[] };
    expect(harvested.map(({ program, phase, rows, round }) => [program, phase, rows, round])).toEqual([
      ['sheaf-postgres', 'cold', 4_000, 1],
    ]);
    for (const { wallMs, ownMs, cpuMs, peakBytes, walBytes, queueBytes, redisBytes } of harvested) {
      expect(wallMs).toBeGreaterThan(ownMs);
      for (const each of [cpuMs, peakBytes].flatMap(({ program, postgres, upstream }) => [program, postgres, upstream]))
        expect(each).toBeGreaterThan(0);
      expect([cpuMs.redis, peakBytes.redis, redisBytes]).toEqual([0, 0, 0]);
      expect(queueBytes).toBeGreaterThan(0);
      expect(walBytes).toBeGreaterThan(0);
    }
    // A count that no machine changes: what is written ahead for a new record. Into a table that is there it would be 1,900.
    const [walBytes = 0] = harvested.map((each) => each.walBytes / each.rows);
    expect(walBytes).toBeGreaterThan(100);
    expect(walBytes).toBeLessThan(1_000);
  });
});
