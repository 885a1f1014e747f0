import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkWork } from '../../bench/check.ts';
import { findPrograms, type Phase, type Place, type Program, type Said } from '../../bench/programs.ts';
import { EDITED_AT } from '../../bench/records.ts';
import { asAdministrator, freshDatabaseUrl } from '../support/database.ts';

const ROWS = 200;
const OLD = '2014-01-01T00:00:00';

interface Done {
  readonly records?: number;
  readonly edited?: number;
  readonly lines?: number;
  readonly csvRecords?: number;
  readonly counts?: Said['counts'];
}

/** What a program would have left behind. */
async function setup() {
  const out = await mkdtemp(join(tmpdir(), 'sheaf-bench-test-'));
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const database = await freshDatabaseUrl();
  await asAdministrator(database, 'create table done (data jsonb)');
  const program = findPrograms(['sheaf-postgres'], { byHand: '', celery: '' }, () => undefined)[0] as Program;
  const place: Place = { upstream: '', rows: ROWS, database, redis: null, out, concurrency: null };
  return async (phase: Phase, { records = ROWS, edited = 0, lines = ROWS, csvRecords = ROWS, counts = null }: Done) => {
    await asAdministrator(
      database,
      `truncate done;
       insert into done select json_build_object('opdateringsdato', case when n <= ${edited} then '${EDITED_AT}' else '${OLD}' end)
       from generate_series(1, ${records}) n`,
    );
    const times = Array.from({ length: ROWS }, (_nothing, index) => (index < edited ? EDITED_AT : OLD));
    const said = { ownMs: 1, counts, ndjson: join(out, 'x.ndjson'), csv: join(out, 'x.csv') };
    await writeFile(
      said.ndjson,
      times
        .slice(0, lines)
        .map((time) => `{"t":"${time}"}\n`)
        .join(''),
    );
    await writeFile(
      said.csv,
      `t,text\n${times
        .slice(0, csvRecords)
        .map((time) => `${time},"two\n""lines"""\n`)
        .join('')}`,
    );
    await checkWork({ ...program, table: 'done' }, place, { phase, said });
  };
}

describe('what was measured', () => {
  it('counts when all of it was done, and nothing else', async () => {
    const check = await setup();
    await check('cold', { counts: { inserted: ROWS, updated: 0, unchanged: 0 } });
    await check('warm', { counts: { inserted: 0, updated: 0, unchanged: ROWS } });
    await check('changed', { edited: 2, counts: { inserted: 0, updated: 2, unchanged: ROWS - 2 } });
    await check('changed', { edited: 2 });
  });

  it('fails the bench when something is missing, or was done that was not asked for', async () => {
    const check = await setup();
    await expect(check('cold', { records: ROWS - 1 })).rejects.toThrow(/199 records in the table/);
    await expect(check('cold', { lines: ROWS - 1 })).rejects.toThrow(/199 records in the ndjson/);
    await expect(check('cold', { csvRecords: ROWS - 1 })).rejects.toThrow(/199 records in the csv/);
    await expect(check('warm', { edited: 1 })).rejects.toThrow(/1 of them as edited/);
    await expect(check('changed', { edited: 1 })).rejects.toThrow(/1 of them as edited, and not 200 and 2/);
    const counts = { inserted: 0, updated: 1, unchanged: ROWS - 1 };
    await expect(check('warm', { counts })).rejects.toThrow(/inserted, updated, unchanged are 0, 1, 199/);
  });
});
