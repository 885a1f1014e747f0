import { describe, expect, it } from 'vitest';
import { copyPlaced, copyRecords } from '../../src/db/copy-records.ts';
import type { Database } from '../../src/db/database.ts';
import { type RecordLines, textsOf } from '../../src/domain/record-lines.ts';
import { freshDatabase } from '../support/database.ts';
import { range } from '../support/rows.ts';

const table = 'sheaf.staging';

/** Records of 1 to 2 kB, whose keys are in no order. */
async function fill({ pool }: Database, records: number): Promise<string[]> {
  await pool.query(`truncate ${table}`);
  await pool.query(
    `insert into ${table} select 1, n::text, gen_random_uuid(), null,
       jsonb_build_object('id', n, 'text', 'Æ \\ "' || chr(10) || repeat('x', 1000 + n % 1000))::text
     from generate_series(1, $1) n order by md5(n::text)`,
    [records],
  );
  return range(1, records).map((n) => `{"id": ${n}, "text": "Æ \\\\ \\"\\n${'x'.repeat(1000 + (n % 1000))}"}`);
}

const placed = { places: `select key, ctid as place from ${table}`, table };

async function sizesAndTexts(batches: AsyncIterable<RecordLines>): Promise<{ sizes: number[]; texts: string[] }> {
  const sizes: number[] = [];
  const texts: string[] = [];
  for await (const lines of batches) {
    sizes.push(lines.bytes.length);
    texts.push(...textsOf(lines));
  }
  return { sizes, texts };
}

/** Connections that are sending records. */
async function countSending({ pool }: Database, condition = 'true'): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*) from pg_stat_activity
     where datname = current_database() and query like 'copy%' and state = 'active' and ${condition}`,
  );
  return rows[0]?.count ?? 0;
}

describe('records that are copied out by their places', () => {
  it('come in the order of their keys, byte for byte, some hundred kilobytes at a time', async () => {
    const database = await freshDatabase();
    expect((await sizesAndTexts(copyPlaced(database, placed))).texts).toEqual([]);
    const expected = await fill(database, 3000);
    const { sizes, texts } = await sizesAndTexts(copyPlaced(database, placed));
    expect(texts).toEqual(expected);
    expect(sizes.length).toBeGreaterThan(5);
    expect(Math.max(...sizes)).toBeLessThan(512 * 1024);

    const large = `{"id":1,\n"text":"${'æ'.repeat(400_000)}"}`;
    await database.pool.query(`update ${table} set record = $1 where key = '1'`, [large]);
    const [first, second] = (await sizesAndTexts(copyPlaced(database, placed))).texts;
    expect([first, second]).toEqual([large.replace('\n', ' '), expected[1]]);
  });

  it('are not sorted themselves, however little memory there is', async () => {
    const database = await freshDatabase();
    await fill(database, 3000);
    const sorted = `select record from ${table} order by length(key), key`;
    await database.pool.query(`set work_mem = '1MB'`); // of the one connection there is
    await sizesAndTexts(copyPlaced(database, placed));
    expect(await temporaryBytes(database)).toBe(0);
    await sizesAndTexts(copyRecords(database, sorted));
    expect(await temporaryBytes(database)).toBeGreaterThan(3_000_000);
    expect(database.pool.totalCount).toBe(1);
  });

  it('are as they were when the first was asked for, and give the connection back as it was', async () => {
    const database = await freshDatabase();
    await fill(database, 3000);
    const reading = copyPlaced(database, placed);
    const first = await reading.next();
    let count = first.value?.ends.length ?? 0;
    await database.pool.query(`delete from ${table}`);
    for await (const lines of reading) count += lines.ends.length;
    expect(count).toBe(3000);
    expect(await settings(database)).toEqual(['on', 'on']);
  });
});

/** What each connection of the pool has for a setting that was changed while records were read. */
async function settings({ pool }: Database): Promise<unknown[]> {
  const clients = await Promise.all(range(1, pool.totalCount).map(() => pool.connect()));
  const shown = await Promise.all(clients.map((client) => client.query('show enable_hashjoin')));
  for (const client of clients) client.release();
  return shown.map(({ rows }) => rows[0]?.enable_hashjoin);
}

/** What has been written to temporary files in this database, by connections that are idle by now. */
async function temporaryBytes({ pool }: Database): Promise<number> {
  await pool.query('select pg_stat_force_next_flush()');
  const { rows } = await pool.query<{ bytes: number }>(
    'select temp_bytes as bytes from pg_stat_database where datname = current_database()',
  );
  return rows[0]?.bytes ?? 0;
}

describe('whoever reads records', () => {
  it('is sent no more than is read, and leaves no connection behind when it stops early', async () => {
    const database = await freshDatabase();
    await fill(database, 20_000);
    const reading = copyPlaced(database, placed);
    await reading.next();
    await expect.poll(() => countSending(database, `wait_event = 'ClientWrite'`)).toBe(1);
    await reading.return(undefined);
    await expect.poll(() => countSending(database)).toBe(0);
    expect(database.pool.totalCount).toBe(database.pool.idleCount);
  });

  it('can end that at once, while the server is still sorting, and is told its own reason', async () => {
    const database = await freshDatabase();
    await fill(database, 10);
    const ending = new AbortController();
    const places = `select key, ctid as place from ${table}, pg_sleep(60)`;
    const reading = copyPlaced(database, { places, table, signal: ending.signal }).next();
    await expect.poll(() => countSending(database, `wait_event = 'PgSleep'`)).toBe(1);
    ending.abort(new Error('no longer wanted'));
    await expect(reading).rejects.toThrow('no longer wanted');
    expect(database.pool.totalCount).toBe(database.pool.idleCount);
  });

  it('is told what the server refuses, and what breaks on the way', async () => {
    const database = await freshDatabase();
    const refused = (query: string) => expect(sizesAndTexts(copyRecords(database, query))).rejects;
    await refused('select data from sheaf.nowhere').toMatchObject({ code: '42P01' });
    await refused('select (1 / (3 - n))::text from generate_series(1, 3) n').toMatchObject({ code: '22012' });

    await fill(database, 20_000);
    const reading = copyPlaced(database, placed);
    await reading.next();
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query like 'copy%' and pid <> pg_backend_pid()`,
    );
    await expect(sizesAndTexts(reading)).rejects.toThrow();
    expect(await settings(database)).toEqual(['on']);
  });

  it('is told of rows that it cannot take', async () => {
    const database = await freshDatabase();
    const query = `select case when n = 2 then null else '{}' end from generate_series(1, 4) n`;
    await expect(sizesAndTexts(copyRecords(database, query))).rejects.toThrow();
    expect(database.pool.totalCount).toBe(database.pool.idleCount);
  });
});
