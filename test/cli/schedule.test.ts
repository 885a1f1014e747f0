import { expect, it, onTestFinished } from 'vitest';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { range, votes } from '../support/rows.ts';

it('is added, listed, steered and removed from the command line', async () => {
  const twin = await startTwin({ dataset: inlineData({ Afstemning: votes(range(1, 30)) }) });
  onTestFinished(() => twin.stop());
  const environment = { DATABASE_URL: await freshDatabaseUrl(), SHEAF_ODA_URL: twin.url };
  const schedule = (...words: string[]) => sheaf(['schedule', ...words], environment);
  const nightly = ['nightly-votes', '--cron', '30 2 * * *', '--tz', 'Europe/Copenhagen', '--format', 'none'];

  const added = await schedule('add', ...nightly, 'oda/Afstemning', 'oda/Stemme', 'oda/Afstemning');
  expect(added).toMatchObject({ code: 0, stdout: 'nightly-votes\n' });
  expect(added.stderr.match(/02:30:00 \+0[12]:00/g)).toHaveLength(3);

  const [listed] = JSON.parse((await schedule('list', '--json')).stdout);
  expect(listed).toMatchObject({ name: 'nightly-votes', datasets: ['oda/Afstemning', 'oda/Stemme'], overlap: 'skip' });
  expect(listed).toMatchObject({ asksFor: 'sweep', harvest: { mode: 'sweep', keysOnly: false, formats: [] } });
  expect(await schedule('pause', 'nightly-votes')).toMatchObject({ code: 0 });
  expect((await schedule('run', 'nightly-votes')).stderr).toContain('sheaf schedule show nightly-votes');
  expect((await schedule('show', 'nightly-votes')).stdout).toMatch(/nightly-votes: paused[\s\S]*manual +waiting/);
  const backfilled = await schedule('backfill', 'nightly-votes', '--from', '2026-03-01', '--to', '2026-03-08');
  expect(backfilled.stderr).toContain('7 firings');
  const unknown = await schedule('resume', 'nightly-vote');
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean "nightly-votes"?') });
  const list = (await schedule('list')).stdout;
  expect(list).toMatch(/nightly-votes +30 2 \* \* \* +paused/);
  expect(list).not.toContain('2026-03-0'); // when it ran, or is to, and not what it makes up for
  expect(await schedule('remove', 'nightly-votes')).toMatchObject({ code: 0 });
}, 60_000);

it.each([
  ['no time', ['add', 'x', 'oda/Sag']],
  ['a window that is no duration', ['add', 'x', 'oda/Sag', '--cron', '0 0 * * *', '--catch-up-window', 'long']],
  ['an unknown policy', ['add', 'x', 'oda/Sag', '--cron', '0 0 * * *', '--overlap', 'maybe']],
  ['nothing to keep', ['add', 'x', 'oda/Sag', '--cron', '0 0 * * *', '--select', 'id', '--format', 'none']],
])('is refused with %s', async (_what, words) => {
  expect(await sheaf(['schedule', ...words])).toMatchObject({ code: 2, stdout: '' });
});
