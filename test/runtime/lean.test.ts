import { Session } from 'node:inspector/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { sendCopy } from '../../src/db/copy-message.ts';
import { CopyRows } from '../../src/db/copy-rows.ts';
import { createOdaSource } from '../../src/sources/oda/oda-source.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

/*
 * What a harvest costs in things that can be counted, and are the same on every machine. The limits are a little above what
 * was counted when they were written: who goes beyond one has made the hot path heavier, and says in its commit why.
 */

const PAGES = 300;

describeEngines('each page more of a harvest', (redisUrl) => {
  it('takes one request, a message to PostgreSQL or less, and next to nothing of the queue', async () => {
    const rows = votes(range(1, PAGES * 100));
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    const queries = vi.spyOn(pg.Client.prototype, 'query');
    const commands = vi.spyOn(Redis.prototype, 'sendCommand');
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await fleet.harvest('oda/Afstemning')).toMatchObject({ state: 'complete', inserted: rows.length });
    const aPage = (count: number) => count / PAGES;
    const asked = fleet.twin.requests.length;
    expect(aPage(asked)).toBeLessThan(1.05);
    expect(queries).toHaveBeenCalled(); // the spy works
    expect(aPage(queries.mock.calls.length)).toBeLessThan(1.4);
    expect(aPage(commands.mock.calls.length)).toBeLessThan(redisUrl === undefined ? 0.01 : 1.5);
  }, 60_000);
});

describe('each record', () => {
  it('costs little memory to be read and sent, whatever its length', async () => {
    const client = new pg.Client({ connectionString: await freshDatabaseUrl() });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query('create table taken (key text, hash uuid, at timestamp, record text)');
    const { read, records } = pageOf(1_000, 2_000);
    const rows = new CopyRows(1024);
    const send = async () => {
      rows.clear();
      for (const { key, hash, timestamp, json } of read()) {
        rows.startRow(4, key.length * 3 + json.length);
        rows.addText(key);
        rows.addUuid(hash);
        rows.addTimestamp(timestamp);
        rows.addBytes(json);
      }
      await sendCopy(client, ['copy taken from stdin (format binary)'], rows);
    };
    for (let times = 0; times < 20; times++) await send(); // compiled, by now
    const bytes = await allocated(async () => {
      for (let times = 0; times < 20; times++) await send();
    });
    const aRecord = bytes / 20 / records;
    expect(aRecord).toBeGreaterThan(100); // the profiler works
    expect(aRecord).toBeLessThan(2_000);
  });
});

/** A page of records with a text of that many characters each, and what reads it. */
function pageOf(records: number, length: number) {
  const source = createOdaSource({ baseUrl: 'http://127.0.0.1/' });
  const fields = [
    { name: 'id', type: 'integer', isNullable: false },
    { name: 'titel', type: 'text', isNullable: true },
    { name: 'opdateringsdato', type: 'timestamp', isNullable: false },
  ] as const;
  const entity = { name: 'Sag', keyField: 'id', timestampField: 'opdateringsdato', fields, relations: [] };
  const query = { entity, selection: { filter: null, select: null, maxRecords: null } };
  const row = (id: number) => ({ id, titel: 'æ'.repeat(length), opdateringsdato: '2014-09-19T14:41:02.653' });
  const body = Buffer.from(JSON.stringify({ value: range(1, records).map(row) }));
  const position = { strategy: 'keyset', span: { after: 0, upto: records }, cursor: 0, pageSize: records } as const;
  return { records, read: () => source.readPage(query, position, body).records };
}

/** Bytes that were allocated on the heap meanwhile, as sampled: what was collected again counts, too. */
async function allocated(work: () => Promise<void>): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 4_096,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await work();
    const { profile } = await session.post('HeapProfiler.stopSampling');
    const { samples } = profile as unknown as { readonly samples: readonly { readonly size: number }[] }; // missing in the types
    return samples.reduce((sum, { size }) => sum + size, 0);
  } finally {
    session.disconnect();
  }
}
