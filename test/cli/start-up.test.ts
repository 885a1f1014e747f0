import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { sheaf } from '../support/command.ts';
import { votes } from '../support/rows.ts';
import { setUp } from './setup.ts';

const LISTING = new URL('../support/list-modules.mjs', import.meta.url).href;

// What a command loads before it knows what to do is waited for every time; a count does not depend on the machine.
it('help loads the words of the commands, and nothing that works', async () => {
  const { stdout, stderr } = await sheaf(['--help'], { NODE_OPTIONS: `--import=${LISTING}` });
  expect(stdout).toContain('harvest');
  const modules = stderr.split('\n');
  const packages = modules.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  expect([...new Set(packages)].toSorted()).toEqual(['commander', 'croner', 'fastest-levenshtein']);
  expect(modules.length).toBeLessThan(100);
});

const SESSIONS = 'select sessions from pg_stat_database where datname = current_database()';
const SERVES_OTHERS =
  /^(?:fastify|@fastify\/|@bull-board\/|@platformatic\/kafka|@opentelemetry\/|ioredis|bullmq-otel|prom-client)/;

// Each connection costs both sides some ten milliseconds, and each module some tenths, before the first page is asked for.
it('a harvest loads what it works with, and opens few connections', async () => {
  const { environment, databaseUrl } = await setUp(votes([1, 2, 3]));
  const args = ['harvest', 'oda/Afstemning', '--json'];
  const { code, stderr } = await sheaf(args, { ...environment, NODE_OPTIONS: `--import=${LISTING}` });
  expect(code).toBe(0);
  const modules = stderr.split('\n').filter((line) => /^(?:file|node):/.test(line));
  const packages = modules.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  expect(packages).toContain('pg'); // the listing works
  expect([...new Set(packages)].filter((name) => SERVES_OTHERS.test(name))).toEqual([]);
  expect(modules.filter((url) => url.startsWith('file:')).length).toBeLessThan(1_000);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  onTestFinished(() => client.end());
  const { rows } = await client.query<{ sessions: string }>(SESSIONS);
  expect(Number(rows[0]?.sessions)).toBeGreaterThan(5);
  expect(Number(rows[0]?.sessions)).toBeLessThan(16); // 13 when this was written, this one among them
});
