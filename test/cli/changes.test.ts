import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { sheaf } from '../support/command.ts';
import { setUp } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = 'oda/Afstemning';

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
  expect((await sheaf(['changes', NAME, '--since', '1d', '--limit', '2'], environment)).stderr).toMatch(/the first 2/);
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

it('bad questions are answered with what is wrong', async () => {
  const { fleet } = await setUp({ ids: [1] });
  await fleet.harvest(NAME);
  const environment = { DATABASE_URL: fleet.context.database.url, SHEAF_ODA_URL: fleet.twin.url, SHEAF_OUT: fleet.out };
  const ends = async (args: string[]) => {
    const { code, stderr } = await sheaf(args, environment);
    return { code, stderr };
  };
  const bad = await ends(['changes', NAME, '--since', 'yesterday']);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(/not a moment/);
  expect((await ends(['changes', 'oda/Sag'])).stderr).toMatch(/has not been harvested/);
  expect((await ends(['export', NAME, '--as-of', '2020-01-01'])).stderr).toMatch(
    /is not known: changes are kept from then/,
  );
  for (const [words, reason] of [
    [['export', NAME, '--as-of', '2026-02-30'], /There is no day 2026-02-30 in the calendar/],
    [['export', NAME, '--as-of', '2999-01-01'], /"2999-01-01" is still to come/],
    [['changes', NAME, '--since', '2999-01-01'], /"2999-01-01" is still to come/],
  ] as const) {
    const refused = await ends([...words]);
    expect(refused).toEqual({ code: 2, stderr: expect.stringMatching(reason) });
  }
});
