import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import type { ToldChange } from '../../src/db/queries/feed.ts';
import { topicOf } from '../../src/domain/topic.ts';
import { type KafkaOptions, openKafkaTarget } from '../../src/feed/kafka-target.ts';
import type { FeedMessage } from '../../src/feed/target.ts';
import { freePort } from '../support/free-port.ts';
import { consume, describeKafka, startBroker } from './broker.ts';

const never = new AbortController().signal;
const options = (address: string, more: Partial<KafkaOptions> = {}): KafkaOptions => ({
  brokers: [address],
  topicOf: (dataset) => topicOf('sheaf', dataset, [dataset]),
  tombstones: false,
  isEncrypted: false,
  sasl: null,
  ...more,
});

function message(changes: readonly (readonly [key: string, kind: ToldChange['kind']])[]): FeedMessage {
  const at = '2026-11-21T16:04:25.118421Z';
  return {
    ...{ id: 'feed_1', subscription: 'lake', dataset: 'oda/SagAktør', run: 'r1', isLast: true },
    from: { at, key: null },
    to: { at, key: changes.at(-1)?.[0] ?? '' },
    changes: changes.map(([key, kind], number) => ({ at, key, kind, run: 'r1', text: `{"number":${number},"ø":"å"}` })),
  };
}

describeKafka('Kafka', () => {
  it('gets each change in the topic of its dataset, by its key, in order, with what it is in the headers', async () => {
    const broker = await startBroker();
    const target = openKafkaTarget(options(broker.address));
    const first = message([...Array(300).keys()].map((number) => [String(number % 40), 'update'] as const));
    expect(await target.deliver(first, never)).toEqual({ kind: 'delivered', detail: 'acknowledged' });
    expect((await target.deliver(message([['7', 'delete']]), never)).kind).toBe('delivered');
    await target.close();

    const consumed = await consume(broker, 'sheaf.oda.sagaktoer');
    expect(consumed).toHaveLength(301);
    expect(new Set(consumed.map(({ partition }) => partition)).size).toBeGreaterThan(1);
    for (let key = 0; key < 40; key++) {
      const ofKey = consumed.filter((each) => each.key === String(key));
      expect(new Set(ofKey.map(({ partition }) => partition)).size).toBe(1);
      const numbers = ofKey.filter(({ headers }) => headers['kind'] === 'update').map(({ payload }) => payload);
      const wanted = first.changes.filter((each) => each.key === String(key)).map(({ text }) => text);
      expect(numbers).toEqual(wanted);
    }
    expect(consumed.filter(({ key }) => key === '7').at(-1)).toMatchObject({
      payload: '{"number":0,"ø":"å"}',
      headers: { kind: 'delete', run: 'r1', dataset: 'oda/SagAktør', at: '2026-11-21T16:04:25.118421Z' },
    });
  });

  it('gets deletes without a value where topics are compacted', async () => {
    const broker = await startBroker();
    const target = openKafkaTarget(options(broker.address, { tombstones: true }));
    await target.deliver(
      message([
        ['1', 'insert'],
        ['2', 'delete'],
      ]),
      never,
    );
    await target.close();
    const consumed = await consume(broker, 'sheaf.oda.sagaktoer');
    expect(new Map(consumed.map(({ key, payload }) => [key, payload]))).toEqual(
      new Map([
        ['1', '{"number":0,"ø":"å"}'],
        ['2', null],
      ]),
    );
  });

  it('that is away, or goes away, is a failed try that says why, and is written to again when it is there', async () => {
    const nobody = openKafkaTarget(options(`127.0.0.1:${await freePort()}`));
    const away = await nobody.deliver(message([['1', 'insert']]), never);
    expect(away).toEqual({ kind: 'failed', detail: expect.stringMatching(/ECONNREFUSED|127\.0\.0\.1:\d+ failed/) });
    await nobody.close();

    const [broker, other] = [await startBroker(), await startBroker()];
    const brokers = [broker.address];
    const target = openKafkaTarget(options(broker.address, { brokers }));
    expect((await target.deliver(message([['1', 'insert']]), never)).kind).toBe('delivered');
    await broker.stop();
    expect((await target.deliver(message([['2', 'insert']]), never)).kind).toBe('failed');
    brokers[0] = other.address;
    expect((await target.deliver(message([['2', 'insert']]), never)).kind).toBe('delivered');
    await target.close();
    expect((await consume(other, 'sheaf.oda.sagaktoer')).map(({ key }) => key)).toEqual(['2']);
  });

  it('that does not answer is given up in time, and at once when this process ends', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const target = openKafkaTarget(options(`127.0.0.1:${port}`, { timeoutMs: 300 }));
    expect(await target.deliver(message([['1', 'insert']]), never)).toEqual({
      kind: 'failed',
      detail: 'no answer in time',
    });
    const ending = AbortSignal.timeout(50);
    expect((await target.deliver(message([['1', 'insert']]), ending)).detail).toMatch(/before the end of this process/);
    await target.close();
    silent.close();
  });

  it('that lets nobody sign in is a failed try, and nobody reads the password', async () => {
    const broker = await startBroker(); // it knows no users
    const sasl = { mechanism: 'SCRAM-SHA-512', username: 'ada', password: 'hunter2' } as const;
    const target = openKafkaTarget(options(broker.address, { sasl }));
    const { kind, detail } = await target.deliver(message([['1', 'insert']]), never);
    expect(kind).toBe('failed');
    expect(detail).not.toContain('hunter2');
    await target.close();
    expect(await consume(broker, 'sheaf.oda.sagaktoer')).toEqual([]);
  });
});
