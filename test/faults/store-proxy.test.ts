import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { freshDatabaseUrl } from '../support/database.ts';
import { type StoreProxy, startStoreProxy } from './store-proxy.ts';

const redisUrl = inject('redisUrl');

interface PostgresBench {
  readonly proxy: StoreProxy;
  readonly events: readonly string[];
  /** A client through the proxy; its errors are kept, as a pool would do. */
  connect(options?: pg.ClientConfig): Promise<pg.Client>;
  /** What the table `t` holds, asked for past the proxy. */
  rows(): Promise<number[]>;
}

async function postgresBench(): Promise<PostgresBench> {
  const url = await freshDatabaseUrl();
  const events: string[] = [];
  const proxy = await startStoreProxy({ kind: 'postgres', url, onEvent: (what) => events.push(what) });
  onTestFinished(() => proxy.stop());
  const direct = await open(url);
  await direct.query('create table t (n int primary key deferrable initially deferred)');
  return {
    proxy,
    events,
    connect: (options) => open(proxy.url, options),
    rows: async () => (await direct.query<{ n: number }>('select n from t order by n')).rows.map(({ n }) => n),
  };
}

async function open(connectionString: string, options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, ...options });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end().catch(() => undefined));
  return client;
}

const lostConnection = /ECONNRESET|terminated|not queryable/;

describe('a lost answer of PostgreSQL', () => {
  it('is that of a commit, which is in the table', async () => {
    const { proxy, connect, rows, events } = await postgresBench();
    const client = await connect();
    proxy.loseAnswers(1);
    await client.query('begin');
    await client.query('insert into t values ($1)', [1]);
    await expect(client.query('commit')).rejects.toThrow(lostConnection);
    expect(await rows()).toEqual([1]);
    expect(proxy.counts).toEqual({ lost: 1, cut: 0 });
    expect(events).toEqual(['lost the answer to: commit']);
  });

  it('is that of a commit in the extended protocol too, named or not', async () => {
    const { proxy, connect, rows } = await postgresBench();
    for (const [n, name] of [undefined, 'finish'].entries()) {
      const client = await connect();
      await client.query({ text: 'insert into t values ($1)', values: [n + 10], name: 'put' });
      await client.query('begin');
      await client.query({ text: 'insert into t values ($1)', values: [n], name: 'put' });
      proxy.loseAnswers(1);
      const commit = { text: '/* done */ COMMIT', values: [], queryMode: 'extended', ...(name ? { name } : {}) };
      await expect(client.query(commit)).rejects.toThrow(lostConnection);
    }
    expect(await rows()).toEqual([0, 1, 10, 11]);
    expect(proxy.counts.lost).toBe(2);
  });

  it('is that of a statement that writes on its own, and of so many as were ordered', async () => {
    const { proxy, connect, rows } = await postgresBench();
    proxy.loseAnswers(3);
    const insert = 'insert into t values (1) returning n';
    await expect((await connect()).query(insert)).rejects.toThrow(lostConnection);
    const change = 'with changed as (update t set n = n + $1 returning n) select n from changed';
    await expect((await connect()).query(change, [1])).rejects.toThrow(lostConnection);
    const whole = 'begin; insert into t values (5); commit';
    await expect((await connect()).query(whole)).rejects.toThrow(lostConnection);
    await (await connect()).query('insert into t values (9)');
    expect(await rows()).toEqual([2, 5, 9]);
    expect(proxy.counts.lost).toBe(3);
  });

  it("is that of a call of BullMQ's that writes, and not of one that reads", async () => {
    const { proxy, connect } = await postgresBench();
    const client = await connect();
    await client.query('set search_path = bullmq');
    proxy.loseAnswers(1);
    await client.query('-- Delay.\nselect next_delay($1) as next_delay', ['q']);
    await expect(client.query('-- Pause.\nselect pause($1, $2);\n', ['q', true])).rejects.toThrow(lostConnection);
    const again = await connect();
    const { rows } = await again.query("select value from bullmq.meta where queue = 'q' and field = 'paused'");
    expect(rows).toHaveLength(1);
  });

  it('is not that of a read, of a rollback, or of a statement within a transaction', async () => {
    const { proxy, connect, rows } = await postgresBench();
    const client = await connect();
    proxy.loseAnswers(1);
    await client.query('select 1');
    await client.query('with locked as (select n from t for update) select * from locked');
    await client.query('begin');
    await client.query('insert into t values (1)');
    await client.query('rollback');
    await client.query('begin');
    await client.query('insert into u values (1)').catch(() => undefined);
    expect((await client.query('commit')).command).toBe('ROLLBACK');
    expect([await rows(), proxy.counts.lost]).toEqual([[], 0]);
  });

  it('is not that of a write that is refused, which reaches the client', async () => {
    const { proxy, connect, rows } = await postgresBench();
    const client = await connect();
    await client.query('insert into t values (1)');
    proxy.loseAnswers(1);
    await expect(client.query('insert into t values (1)')).rejects.toThrow(/duplicate key/);
    await client.query('begin');
    await client.query('insert into t values (1)');
    await expect(client.query('commit')).rejects.toThrow(/duplicate key/);
    expect(proxy.counts.lost).toBe(0);
    await expect(client.query('insert into t values (2)')).rejects.toThrow(lostConnection);
    expect(await rows()).toEqual([1, 2]);
  });

  it('is of those that are selected, and a new order takes the place of the last', async () => {
    const { proxy, connect, rows } = await postgresBench();
    const client = await connect();
    const seen: string[] = [];
    proxy.loseAnswers(1, (statement) => seen.push(statement) > 0 && statement.startsWith('delete'));
    await client.query(' insert into t values ($1)', [1]);
    await expect(client.query('delete from t')).rejects.toThrow(lostConnection);
    expect(seen).toEqual(['insert into t values ($1)', 'delete from t']);
    proxy.loseAnswers(1);
    proxy.loseAnswers(0);
    await (await connect()).query('insert into t values (2)');
    expect(await rows()).toEqual([2]);
  });

  it('is found behind rows that were copied in', async () => {
    const { proxy, connect, rows } = await postgresBench();
    const client = await connect();
    proxy.loseAnswers(1);
    await client.query('begin');
    const lines = Array.from({ length: 100_000 }, (_nothing, n) => `${n}\n`);
    await pipeline(Readable.from(lines), client.query(copyFrom('copy t from stdin')));
    expect((await client.query('select count(*)::int as count from t')).rows).toEqual([{ count: 100_000 }]);
    await expect(client.query('commit')).rejects.toThrow(lostConnection);
    expect(await rows()).toHaveLength(100_000);
  });

  it('is matched to its statement among many that were sent together', async () => {
    const { proxy, connect, rows } = await postgresBench();
    const client = await connect({ pipeline: true });
    const seen: string[] = [];
    proxy.loseAnswers(1, (statement) => seen.push(statement) > 0 && statement === 'commit');
    const texts = ['insert into t values (1)', 'begin', 'insert into t values (2)', 'select 1', 'commit', 'select 2'];
    const answers = await Promise.allSettled(texts.map((text) => client.query(text)));
    expect(answers.slice(-2).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(seen).toEqual(['insert into t values (1)', 'commit']);
    expect([await rows(), proxy.counts.lost]).toEqual([[1, 2], 1]);
  });

  it('strikes each of many clients at once as ordered', async () => {
    const { proxy, connect, rows } = await postgresBench();
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect()));
    proxy.loseAnswers(5);
    const inserts = clients.map((client, n) => client.query('insert into t values ($1)', [n]));
    const failed = (await Promise.allSettled(inserts)).filter(({ status }) => status === 'rejected');
    expect([failed.length, proxy.counts.lost, (await rows()).length]).toEqual([5, 5, 8]);
  });
});

describe.runIf(redisUrl !== null)('a lost answer of Redis', () => {
  async function redisBench(protocol: 2 | 3 = 2) {
    const proxy = await startStoreProxy({ kind: 'redis', url: redisUrl ?? '' });
    onTestFinished(() => proxy.stop());
    const key = `proxy:${randomBytes(6).toString('hex')}`;
    const connect = (url: string): Redis => {
      const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0, protocol });
      client.on('error', () => undefined);
      onTestFinished(() => client.disconnect());
      return client;
    };
    const direct = connect(redisUrl ?? '');
    onTestFinished(() => direct.del(key).then(() => undefined));
    return { proxy, key, direct, connect: () => connect(proxy.url) };
  }

  it.each([2, 3] as const)('is that of a command that was carried out, on RESP%d', async (protocol) => {
    const { proxy, key, direct, connect } = await redisBench(protocol);
    const client = connect();
    await client.ping();
    await direct.hset(key, 'a', 1, 'b', 2);
    proxy.loseAnswers(1);
    // A refusal is passed on, also behind a reply of several values.
    const replies = await client.pipeline().hgetall(key).get(`${key}:none`).lpush(key, 1).exec();
    expect(replies?.slice(0, 2)).toEqual([
      [null, { a: '1', b: '2' }],
      [null, null],
    ]);
    expect(replies?.[2]?.[0]?.message).toContain('WRONGTYPE');
    await expect(client.set(key, 'x'.repeat(300_000))).rejects.toThrow();
    expect(await direct.strlen(key)).toBe(300_000);
    expect(proxy.counts.lost).toBe(1);
  });

  it('is that of a script, and not of the news that the script is unknown', async () => {
    const { proxy, key, direct, connect } = await redisBench();
    const client = connect();
    const script = `return {redis.call('incr', KEYS[1]), {'a', {1, 2}}, false} -- ${key}`;
    client.defineCommand('count', { numberOfKeys: 1, lua: script });
    const count = (client as unknown as { count(key: string): Promise<unknown> }).count.bind(client);
    proxy.loseAnswers(1, (statement) => statement.includes(key));
    // Tried by its hash first, then sent whole: only the second is carried out.
    await expect(count(key)).rejects.toThrow();
    expect(await direct.get(key)).toBe('1');
    expect(proxy.counts.lost).toBe(1);
  });

  it('is matched to its command among many that were sent together', async () => {
    const { proxy, key, direct, connect } = await redisBench();
    const client = connect();
    proxy.loseAnswers(1, (statement) => statement === `hset ${key} f 500`);
    const batch = client.pipeline();
    for (let n = 0; n <= 500; n++) batch.hset(key, 'f', n).hgetall(key).hget(key, 'no');
    await expect(batch.exec().then((results) => results?.find(([error]) => error)?.[0])).resolves.toBeInstanceOf(Error);
    expect(await direct.hget(key, 'f')).toBe('500');
    expect(proxy.counts.lost).toBe(1);
  });

  it('is that of a transaction as a whole', async () => {
    const { proxy, key, direct, connect } = await redisBench();
    const client = connect();
    const seen: string[] = [];
    proxy.loseAnswers(1, (statement) => seen.push(statement) > 0);
    await client.multi().get(key).exec();
    await client
      .multi()
      .set(key, 1)
      .get(key)
      .exec()
      .catch(() => undefined);
    expect(seen).toEqual(['exec']);
    expect([await direct.get(key), proxy.counts.lost]).toEqual(['1', 1]);
  });

  it('is not that of a blocking pop', async () => {
    const { proxy, key, direct, connect } = await redisBench();
    const client = connect();
    proxy.loseAnswers(1);
    const popped = client.bzpopmin(key, 5);
    await direct.zadd(key, 3, 'm');
    expect(await popped).toEqual([key, 'm', '3']);
    await expect(client.del(key)).rejects.toThrow();
    expect(proxy.counts.lost).toBe(1);
  });
});

describe('a network', () => {
  it('can be cut: what is open is reset, and what is new is refused until the time is over', async () => {
    const { proxy, connect, events } = await postgresBench();
    const clients = await Promise.all([connect(), connect()]);
    const waiting = clients.map((client) => expect(client.query('select pg_sleep(5)')).rejects.toThrow(lostConnection));
    proxy.cut(150);
    const began = performance.now();
    await Promise.all(waiting);
    await expect(connect()).rejects.toThrow(/ECONNRESET|terminated/);
    await expect
      .poll(
        () =>
          connect().then(
            () => 'served',
            () => 'refused',
          ),
        { interval: 10 },
      )
      .toBe('served');
    expect(performance.now() - began).toBeGreaterThan(140);
    expect(proxy.counts).toEqual({ lost: 0, cut: 2 });
    expect(events.slice(0, 2)).toEqual(['cut 2 connections, for 150 ms', 'refused a connection']);
  });

  it('can be stuck in the middle of 20 MB each way, and loses none of them', async () => {
    const { proxy, connect } = await postgresBench();
    const client = await connect();
    const bytes = randomBytes(20_000_000);
    const began = performance.now();
    const echoed = client.query<{ bytes: Buffer }>('select $1::bytea as bytes', [bytes]);
    proxy.freeze(300);
    setTimeout(() => proxy.freeze(300), 350);
    const { rows } = await echoed;
    expect(performance.now() - began).toBeGreaterThan(600);
    const hashes = [bytes, rows[0]?.bytes ?? ''].map((each) => createHash('sha256').update(each).digest('hex'));
    expect(hashes[0]).toBe(hashes[1]);
    expect(proxy.counts).toEqual({ lost: 0, cut: 0 });
  });

  it('can be slow, and keeps the order of what it carries', async () => {
    const { proxy, connect } = await postgresBench();
    const client = await connect({ pipeline: true });
    const order: number[] = [];
    const ask = (n: number): Promise<unknown> => client.query(`select ${n}`).then(() => order.push(n));
    proxy.setDelay(40);
    const began = performance.now();
    await ask(0);
    expect(performance.now() - began).toBeGreaterThan(79);
    const slow = [ask(1), ask(2)];
    await sleep(20);
    // These are in time to overtake.
    proxy.setDelay(0);
    const restored = performance.now();
    await Promise.all([...slow, ask(3), ask(4)]);
    expect(performance.now() - restored).toBeLessThan(60);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('ends with everything in it when it is stopped, also while it is stuck', async () => {
    const { proxy, connect } = await postgresBench();
    const client = await connect();
    const ended = new Promise((resolve) => client.once('end', resolve));
    proxy.freeze(60_000);
    const waiting = expect(client.query('select 1')).rejects.toThrow(lostConnection);
    await Promise.all([proxy.stop(), proxy.stop()]);
    await Promise.all([waiting, ended]);
    await expect(connect()).rejects.toThrow(/ECONNREFUSED/);
  });

  it('passes on the news that the store is not there', async () => {
    const proxy = await startStoreProxy({ kind: 'postgres', url: 'postgres://nobody@127.0.0.1:1/none' });
    onTestFinished(() => proxy.stop());
    await expect(open(proxy.url)).rejects.toThrow(/ECONNRESET|terminated/);
  });

  it('carries a wish for encryption, and its refusal', async () => {
    const { proxy } = await postgresBench();
    const { hostname, port } = new URL(proxy.url);
    const socket = connectTo(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('N');
  });
});
