import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../src/db/database.ts';
import { getRun } from '../../src/db/queries/runs.ts';
import { GateClosedError, OperatorError, PermanentError, TransientError, UsageError } from '../../src/domain/errors.ts';
import { RequestError, toProblem } from '../../src/server/problem.ts';
import { freshDatabaseUrl } from '../support/database.ts';

it.each([
  [new UsageError('x', { code: 'unknown-run' }), 404, 'unknown-run'],
  [new UsageError('x', { code: 'unknown-field' }), 400, 'unknown-field'],
  [new UsageError('x', { code: 'cannot-pause' }), 409, 'cannot-pause'],
  [new OperatorError('x', { code: 'redis-down' }), 503, 'redis-down'],
  [new TransientError('x', { code: 'http-503' }), 502, 'http-503'],
  [new TransientError('x', { code: 'timeout' }), 504, 'timeout'],
  [new PermanentError('x', { code: 'bad-certificate' }), 502, 'bad-certificate'],
  [new GateClosedError('oda', 1_500), 503, 'gate-closed'],
  [new RequestError('x', { status: 418, code: 'teapot' }), 418, 'teapot'],
  [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 503, 'store-away'],
])('answers %s with %i', (error, status, code) => {
  expect(toProblem(error).problem).toMatchObject({ status, code, type: `urn:sheaf:problem:${code}` });
});

it('tells nothing of what was not foreseen', () => {
  const { problem } = toProblem(new TypeError('the password of postgres://user:geheim@host is wrong'));
  expect(problem).toMatchObject({ status: 500, code: 'unexpected' });
  expect(JSON.stringify(problem)).not.toContain('geheim');
});

it('tells what PostgreSQL took too long for from a PostgreSQL that is away', async () => {
  const url = await freshDatabaseUrl();
  const hasty = openDatabase({ url, session: 'test', connections: 1, statementTimeoutMs: 50 });
  onTestFinished(() => hasty.close());
  const slow: unknown = await hasty.pool.query('select pg_sleep(10)').catch((error: unknown) => error);
  expect(toProblem(slow).problem).toMatchObject({ status: 503, code: 'query-too-slow' });
  const away = openDatabase({ url: 'postgres://x:x@127.0.0.1:1/x', session: 'test', connections: 1 });
  onTestFinished(() => away.close());
  const lost: unknown = await getRun(away, 'x').catch((error: unknown) => error); // drizzle wraps what it meets
  const { problem, headers } = toProblem(lost);
  expect(problem).toMatchObject({ status: 503, code: 'store-away' });
  expect(headers).toEqual({ 'retry-after': '5' });
});

it('tells of a Redis that is away that a store is', async () => {
  const ask = (maxRetriesPerRequest: number | null) => {
    const redis = new Redis('redis://127.0.0.1:1', { maxRetriesPerRequest, retryStrategy: () => 10 });
    redis.on('error', () => undefined);
    onTestFinished(() => redis.disconnect());
    return { redis, error: redis.get('x').catch((error: Error) => error) };
  };
  const { redis, error: closed } = ask(null);
  redis.disconnect();
  const lost = await ask(0).error;
  expect(lost).toMatchObject({ name: 'MaxRetriesPerRequestError' });
  for (const error of [lost, await closed])
    expect(toProblem(error).problem).toMatchObject({ status: 503, code: 'store-away' });
});
