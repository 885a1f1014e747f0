import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf } from '../support/command.ts';
import { startFleet } from '../support/fleet.ts';
import { setUp } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = 'oda/Afstemning';

/** What a command without output says, and how it ends. */
async function answer(environment: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await sheaf(args, environment);
  expect(stdout).toBe('');
  return { code, stderr };
}

/** A dataset that was harvested, edited at the source and harvested again; commands see the same. */
async function setUpChanged() {
  const { fleet, source } = await setUp({ ids: range(1, 40) });
  await fleet.harvest(NAME);
  const { rows } = await fleet.context.database.pool.query<{ now: Date }>('select clock_timestamp() as now');
  source.remove(3);
  source.put(99);
  fleet.twin.put('Afstemning', { ...votes([7])[0], nummer: 1 } as never);
  const second = await fleet.harvest(NAME);
  const environment = {
    DATABASE_URL: fleet.context.database.url,
    SHEAF_ODA_URL: fleet.twin.url,
    SHEAF_OUT: fleet.out,
  };
  return { fleet, second, environment, between: rows[0]?.now.toISOString() ?? '' };
}

it('what has changed is shown, exported as it was, kept for its months, and counted', async () => {
  const { fleet, second, environment, between } = await setUpChanged();

  const last = await sheaf(['changes', NAME], environment);
  expect({ code: last.code, stderr: last.stderr }).toEqual({ code: 0, stderr: '1 inserted, 1 updated, 1 deleted.\n' });
  expect(last.stdout).toMatch(/insert {2}99/);
  expect(last.stdout).toMatch(/update {2}7 {4}nummer/);
  expect(last.stdout).toMatch(/delete {2}3/);

  const json = await sheaf(['changes', NAME, '--since', '1d', '--kind', 'update', '--json'], environment);
  expect(JSON.parse(json.stdout)).toEqual([
    {
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      ...{ dataset: NAME, key: '7', kind: 'update', run: second.run, fields: ['nummer'], otherKey: null },
      before: votes([7])[0],
    },
  ]);
  const all = await sheaf(['changes', NAME, '--since', '1d', '--json'], environment);
  expect(JSON.parse(all.stdout)).toHaveLength(43);
  const cut = /^41 inserted, 1 updated, 1 deleted; the first 2 of them are above, --limit shows more\.$/m;
  const cutJson = await sheaf(['changes', NAME, '--since', '1d', '--limit', '2', '--json'], environment);
  expect(cutJson.stderr).toMatch(cut);
  expect(JSON.parse(cutJson.stdout)).toHaveLength(2);
  expect((await sheaf(['changes', NAME, '--kind', 'delete'], environment)).stderr).toBe('1 deleted.\n');
  expect((await sheaf(['changes', NAME, '--since', '0s', '--json'], environment)).stdout).toBe('[]\n');

  const asOf = await sheaf(['export', NAME, '--as-of', between, '--format', 'ndjson'], environment);
  expect(asOf.stdout).toMatch(/as-of-\d{4}-\d\d-\d\dT\d{6}Z\/oda-Afstemning\.ndjson\n$/);
  const lines = (await readFile(asOf.stdout.trim(), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(votes(range(1, 40)));

  const { datasets } = JSON.parse((await sheaf(['db', 'stats', '--json'], environment)).stdout);
  expect(datasets).toEqual([{ dataset: NAME, records: 40, deleted: 1, bytes: expect.any(Number) }]);
  expect(datasets[0].bytes).toBeGreaterThan(8_192);

  // As if a month had passed in which nothing ran, two years ago.
  await fleet.context.database.pool.query(
    `create table sheaf.changes_2020_01 partition of sheaf.changes for values from ('2020-01-01Z') to ('2020-02-01Z')`,
  );
  const maintained = await sheaf(['db', 'maintain', '--json'], environment);
  expect(JSON.parse(maintained.stdout).dropped).toEqual(['changes_2020_01']);
});

it('bad questions are answered with what is wrong, and a run that changed nothing with that', async () => {
  const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes([1]), Møde: [] }) } });
  await fleet.harvest(NAME);
  const { run: idle } = await fleet.harvest(NAME);
  const { run: other } = await fleet.harvest('oda/Møde');
  const environment = { DATABASE_URL: fleet.context.database.url, SHEAF_ODA_URL: fleet.twin.url, SHEAF_OUT: fleet.out };
  const ends = async (args: readonly string[]) => answer(environment, ...args);
  const bad = await ends(['changes', NAME, '--since', 'yesterday']);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(/not a moment/);
  expect((await ends(['export', NAME, '--as-of', '2020-01-01'])).stderr).toMatch(
    /is not known: changes are kept from then/,
  );
  expect(await ends(['changes', NAME, '--run', idle])).toEqual({
    code: 0,
    stderr: `Run ${idle} has changed nothing in ${NAME}.\n`,
  });
  for (const [words, reason] of [
    [['changes', NAME, '--run', other], /^sheaf: Run \S+ is of oda\/Møde, not of oda\/Afstemning\.\n$/],
    [['export', NAME, '--as-of', '2999-01-01'], /"2999-01-01" is still to come/],
    [['export', NAME, '--format', 'none'], /--format none asks for no file/],
    [['export', 'oda/afstemnin'], /oda\/afstemnin has not been harvested yet\. Did you mean oda\/Afstemning\?/],
    [['export', 'oda/Sag'], /^sheaf: oda\/Sag has not been harvested yet\. Do that first: sheaf harvest oda\/Sag\n$/],
    [['runs', '--dataset', 'oda/Sag', '--json'], /oda\/Sag has not been harvested yet/],
    [['changes', NAME, '--since', '2999-01-01'], /"2999-01-01" is still to come/],
  ] as const) {
    expect(await ends(words)).toEqual({ code: 2, stderr: expect.stringMatching(reason) });
  }
});
