import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { sendCopy } from '../../src/db/copy-message.ts';
import { CopyRows } from '../../src/db/copy-rows.ts';
import { freshDatabase } from '../support/database.ts';

interface Row {
  readonly number: number;
  readonly name: string | null;
  readonly hash: string;
  readonly at: string | null;
  readonly record: string;
}

const row: Row = { number: 1, name: 'æ', hash: 'ab'.repeat(16), at: null, record: '{"a":"\\n\t🧀"}' };

async function setUp() {
  const { url } = await freshDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create table copied (number integer, name text, hash uuid, at timestamp, record text not null)');
  const send = async (rows: readonly Row[], ...before: string[]) => {
    const copied = new CopyRows(1024);
    for (const { number, name, hash, at, record } of rows) {
      const json = Buffer.from(record);
      copied.startRow(5, (name?.length ?? 0) * 3 + json.length);
      copied.addInteger(number);
      copied.addText(name);
      copied.addUuid(hash);
      copied.addTimestamp(at);
      copied.addBytes(json);
    }
    await sendCopy(client, [...before, 'copy copied from stdin (format binary)'], copied);
  };
  const read = async () => {
    const text = `select number, name, replace(hash::text, '-', '') as hash, at::text, record from copied order by number`;
    return (await client.query<Row>(text)).rows;
  };
  return { client, send, read, [Symbol.asyncDispose]: () => client.end() };
}

describe('rows that are sent with their statements', () => {
  it('come as they are, few or many, and none at all', async () => {
    await using table = await setUp();
    const rows = Array.from({ length: 3_000 }, (_, number) => ({
      ...row,
      number,
      name: number % 2 ? null : 'ø'.repeat(200),
    }));
    await table.send([]);
    await table.send(rows.slice(0, 1));
    await table.send(rows.slice(1)); // more than fits into what a message begins with
    expect(await table.read()).toEqual(rows);
  });

  it('have the timestamps that PostgreSQL reads out of the same texts', async () => {
    await using table = await setUp();
    const fractions = [
      '',
      '.1',
      '.87',
      '.123456',
      '.1234565',
      '.1234575',
      '.123456789',
      '.9999995',
      '.9999999',
      '.0000005',
      '.0002535',
      '.0019685',
      '.5242855',
    ];
    const seconds = [
      '0001-01-01T00:00:00',
      '0099-03-01T12:30:00',
      '1714-07-29T00:12:25', // the first and the last second for which a number is exact
      '1714-07-29T00:12:26',
      '1999-12-31T23:59:59',
      '2000-01-01T00:00:00',
      '2024-02-29T23:59:59',
      '2285-06-04T23:47:34',
      '2285-06-04T23:47:35',
      '9999-12-31T23:59:58',
    ];
    const texts = seconds.flatMap((second) => fractions.map((fraction) => second + fraction));
    await table.send(texts.map((at, number) => ({ ...row, number, at })));
    const { rows } = await table.client.query<{ at: string }>(
      'select t::timestamp::text as at from unnest($1::text[]) as t',
      [texts],
    );
    expect((await table.read()).map(({ at }) => at)).toEqual(rows.map(({ at }) => at));
  });

  it.each([
    ['a statement before them fails', [row], ['select 1 / 0'], '22012'],
    ['one of them is refused', [row, { ...row, record: 'a\0b' }], [], '22021'],
  ])('are not in at all when %s, and the connection stays usable', async (_what, rows, before, code) => {
    await using table = await setUp();
    for (let times = 0; times < 3; times++) await expect(table.send(rows, ...before)).rejects.toMatchObject({ code });
    expect(await table.read()).toEqual([]);
    await table.send([row]);
    expect(await table.read()).toEqual([row]);
  });

  it('are in together with what the statements before them did', async () => {
    await using table = await setUp();
    await table.client.query('create table moved (by_rows integer)');
    await table.send([row], 'insert into moved values (1)');
    await expect(table.send([{ ...row, record: '\0' }], 'insert into moved values (2)')).rejects.toThrow();
    expect((await table.client.query('select by_rows from moved')).rows).toEqual([{ by_rows: 1 }]);
  });

  it('are refused when the connection breaks', async () => {
    await using table = await setUp();
    const sending = table.send([row], 'select pg_sleep(60)');
    sending.catch(() => undefined);
    table.client.on('error', () => undefined);
    table.client.connection.stream.destroy(new Error('cut off'));
    await expect(sending).rejects.toThrow('cut off');
  });
});
