import { expect, it, onTestFinished } from 'vitest';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { range, votes } from '../support/rows.ts';

it('a step is planned, taken, told from a sweep, and scheduled, from the command line', async () => {
  const twin = await startTwin({ dataset: inlineData({ Afstemning: votes(range(1, 130)) }) });
  onTestFinished(() => twin.stop());
  const environment = { DATABASE_URL: await freshDatabaseUrl(), SHEAF_ODA_URL: twin.url };
  const run = (...words: string[]) => sheaf([...words, 'oda/Afstemning'], environment);
  const harvest = (...words: string[]) => run('harvest', '--format', 'none', ...words);

  expect((await run('plan', '--step')).stdout).toContain('a sweep: no complete run has left a watermark yet');
  const first = await harvest('--step', '--json');
  expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('this one is a sweep') });
  expect(JSON.parse(first.stdout)).toMatchObject({ kind: 'sweep', state: 'complete', inserted: 130 });

  expect((await run('plan', '--step')).stdout).toContain('a step: what has changed since 2014-09-28T07:05:59');
  twin.put('Afstemning', { ...votes([7])[0], opdateringsdato: '2025-03-01T12:00:00' } as never);
  twin.clearRequests();
  const second = JSON.parse((await harvest('--step', '--json')).stdout);
  expect(second).toMatchObject({ kind: 'step', state: 'complete', updated: 1, requests: 1 });
  expect(twin.requests).toHaveLength(2); // with the metadata, which a new process asks for
  expect((await harvest('--since', '2025-03-01T12:00')).stderr).toMatch(/oda\/Afstemning: step complete/);
  expect((await sheaf(['runs'], environment)).stdout).toMatch(/KIND[\s\S]*step +complete[\s\S]*sweep +complete/);

  const filtered = ['--step', '--filter', 'id gt 120'];
  const without = 'no complete run with this filter has left a watermark yet';
  expect((await run('plan', ...filtered)).stdout).toContain(without);
  expect((await harvest(...filtered)).stderr).toContain('No complete run of oda/Afstemning with this filter has left');

  expect(await harvest('--max-records', '7')).toMatchObject({ code: 0 }); // not to be taken for all of it
  expect((await sheaf(['runs'], environment)).stdout).toMatch(
    /ASKED FOR\n.*sweep.* at most 7 records\n.* filter id gt 120\n.*step.* all\n/,
  );

  const added = await run('schedule', 'add', 'hourly', '--cron', '0 * * * *', '--step');
  expect(added).toMatchObject({ code: 0 });
}, 60_000);

it.each([
  ['a time that is none', ['--since', 'yesterday'], 'is not a time'],
  ['a time with a zone', ['--since', '2025-01-31T12:00:00Z'], "the source's own clock"],
  ['both at once', ['--sweep', '--step'], '--step'],
  ['a sweep since a time', ['--sweep', '--since', '2025-01-31'], '--since'],
])('a harvest is refused with %s', async (_what, words, reason) => {
  const refused = await sheaf(['harvest', 'oda/Sag', ...words]);
  expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(reason) });
});
