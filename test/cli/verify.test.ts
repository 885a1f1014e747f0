import { expect, it, onTestFinished } from 'vitest';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { range, votes } from '../support/rows.ts';

const words = ['b', 'a', 'c'].map((id) => ({ id, navn: id }));
const schema = [parseEntitySchema('Ord', 'id:s navn:s?')];

it('a copy is verified and repaired from the command line, and keys alone are swept', async () => {
  const twin = await startTwin({
    dataset: inlineData({ Afstemning: votes(range(1, 400)), Ord: words }, { schema }),
  });
  onTestFinished(() => twin.stop());
  const environment = { DATABASE_URL: await freshDatabaseUrl(), SHEAF_ODA_URL: twin.url };
  const run = (...args: string[]) => sheaf(args, environment);
  expect(await run('harvest', 'oda/Afstemning', 'oda/Ord', '--format', 'none')).toMatchObject({ code: 0 });

  const well = await run('verify', 'oda/Afstemning');
  expect(well).toMatchObject({ code: 0, stderr: '' });
  expect(well.stdout).toMatch(
    /no difference was found\n.*the source has 400 records, the copy 400\n.*all 4 pages compared/,
  );

  twin.remove('Afstemning', 150);
  twin.put('Afstemning', { ...votes([350])[0], konklusion: 'edited' } as never);
  const found = await run('verify', 'oda/Afstemning');
  expect(found.code).toBe(3);
  expect(found.stdout).toMatch(
    /101 to 200 +99 +100 +count +1 more in the copy\n301 to 400 +100 +100 +sample +1 with other content/,
  );
  expect(found.stderr).toContain('sheaf verify oda/Afstemning --repair');

  const repaired = await run('verify', 'oda/Afstemning', '--repair', '--json');
  expect(repaired.code).toBe(0);
  const told = JSON.parse(repaired.stdout);
  expect(told).toMatchObject({
    dataset: 'oda/Afstemning',
    state: 'differs',
    differences: [{ after: 100 }, { after: 300 }],
  });
  expect(told.repair).toMatchObject({ left: [], run: { kind: 'repair', state: 'complete', updated: 1, deleted: 1 } });

  twin.remove('Afstemning', 160);
  const withheld = await run('verify', 'oda/Afstemning', '--repair', '--max-deletes', '0');
  expect(withheld.code).toBe(3);
  expect(withheld.stderr).toMatch(/1 range still differs, because nothing was marked as deleted/);
  expect(withheld.stderr).toContain('sheaf verify oda/Afstemning --repair --max-deletes <percent>');

  // Keys without an order: counts and pages by position, and no repair in parts.
  twin.put('Ord', { id: 'c', navn: 'edited' });
  const position = await run('verify', 'oda/Ord', '--repair');
  expect(position).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/1 to 3 +3 +\? +sample +1 with other content/),
  });
  expect(position.stderr).toContain('sheaf harvest oda/Ord');

  twin.remove('Afstemning', 151);
  twin.put('Afstemning', votes([401])[0] as never);
  const keys = await run('harvest', 'oda/Afstemning', '--keys-only');
  expect(keys).toMatchObject({ code: 0, stderr: expect.stringMatching(/keys-only complete[\s\S]* 2 deleted/) });
  expect(keys.stderr).toContain('has 1 record that the copy has not');
  expect(keys.stderr).toMatch(/bring them with a sweep, or: sheaf verify oda\/Afstemning --repair/);
}, 60_000);

it.each([
  ['a dataset that is none', ['verify', 'Afstemning'], 'is not a dataset'],
  ['samples that are no number', ['verify', 'oda/Sag', '--samples', 'many'], 'Expected a whole number'],
  ['keys alone with files', ['harvest', 'oda/Sag', '--keys-only', '--format', 'csv'], '--format'],
  ['keys alone as a step', ['harvest', 'oda/Sag', '--keys-only', '--step'], '--step'],
  ['keys alone of a part', ['plan', 'oda/Sag', '--keys-only', '--filter', 'id gt 5'], '--filter'],
])('refuses %s', async (_what, args, reason) => {
  const { code, stderr } = await sheaf(args);
  expect(code).toBe(2);
  expect(stderr).toContain(reason);
});
