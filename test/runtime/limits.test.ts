import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import type { RunReport } from '../../src/domain/report.ts';
import { generateData } from '../../src/twin/generated-data.ts';
import { startTwin } from '../../src/twin/start-twin.ts';
import { sheaf, start } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { describeEngines } from '../support/engines.ts';

/** The real snapshot of 2014 has 267,174 rows of Stemme; the real set has 1,839,500. */
const SCALE = 267_174 / 1_839_500;
const MEGABYTE = 1_000_000;

describeEngines('267,174 rows of Stemme', (redisUrl) => {
  it.runIf(process.platform === 'linux')(
    'keep a worker below 300 MB, and the queue’s store below 10 MB',
    async () => {
      const out = await mkdtemp(join(tmpdir(), 'sheaf-out-'));
      onTestFinished(() => rm(out, { recursive: true, force: true }));
      const twin = await startTwin({ dataset: generateData({ seed: 7, scale: SCALE, entities: ['Stemme'] }) });
      onTestFinished(() => twin.stop());
      const databaseUrl = await freshDatabaseUrl();
      const environment = {
        DATABASE_URL: databaseUrl,
        REDIS_URL: redisUrl ?? '',
        SHEAF_ODA_URL: twin.url,
        SHEAF_OUT: out,
      };
      const worker = start(['worker'], environment);
      const run = (await sheaf(['harvest', 'oda/Stemme', '--detach'], environment)).stdout.trim();
      let store = 0;
      await expect
        .poll(
          async () => {
            store = Math.max(
              store,
              redisUrl === undefined ? await postgresStore(databaseUrl) : await redisStore(redisUrl),
            );
            return (JSON.parse((await sheaf(['status', run, '--json'], environment)).stdout) as RunReport).state;
          },
          { timeout: 120_000, interval: 500 },
        )
        .toBe('complete');
      const peak = await peakMemory(worker.process.pid ?? 0);
      worker.process.kill('SIGTERM');
      await worker.finished;
      expect({ peak, store }).toEqual({ peak: expect.any(Number), store: expect.any(Number) });
      expect(peak).toBeLessThan(300 * MEGABYTE);
      expect(store).toBeGreaterThan(0);
      expect(store).toBeLessThan(10 * MEGABYTE);
    },
    180_000,
  );
});

/** The most memory that was resident, in bytes. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

async function postgresStore(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ bytes: number }>(
    `select sum(pg_total_relation_size(oid))::float8 as bytes from pg_class where relnamespace = 'bullmq'::regnamespace and relkind = 'r'`,
  );
  await client.end();
  return rows[0]?.bytes ?? 0;
}

/** Other tests use the same Redis: an upper bound. */
async function redisStore(url: string): Promise<number> {
  const redis = new Redis(url);
  const memory = await redis.info('memory');
  redis.disconnect();
  return Number(/used_memory_dataset:(\d+)/.exec(memory)?.[1]);
}
