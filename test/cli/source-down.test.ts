import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { range, votes } from '../support/rows.ts';

it('a harvest says by what a source fails that is left alone, and what to do', async () => {
  const twin = await startTwin({ dataset: inlineData({ Afstemning: votes(range(1, 30)) }) });
  onTestFinished(() => twin.stop());
  const environment = { DATABASE_URL: await freshDatabaseUrl(), SHEAF_ODA_URL: twin.url };
  const client = new pg.Client(environment.DATABASE_URL);
  await client.connect();
  onTestFinished(() => client.end());
  expect(await sheaf(['db', 'migrate'], environment)).toMatchObject({ code: 0 });
  await client.query(
    `insert into sheaf.gates (source, breaker, closed_until, failures, error)
     values ('oda', 'open', now() + interval '1 hour', 10, '{"code": "http-503", "message": "it answers 503", "facts": {}}')`,
  );
  const { code, stderr } = await sheaf(['harvest', 'oda/Afstemning', '--format', 'none'], environment);
  expect(code).toBe(1);
  expect(stderr).toContain('oda does not answer (it answers 503); waiting');
  expect(stderr).toMatch(
    /left alone for another \d+ seconds, because it does not answer: it answers 503.*sheaf doctor/,
  );
}, 30_000);
