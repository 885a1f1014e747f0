import { expect, it } from 'vitest';
import type { FeedMessage } from '../../src/feed/target.ts';
import { openWebhookTarget } from '../../src/feed/webhook-target.ts';
import { startReceiver } from '../notifications/receiver.ts';
import { verifyWebhook } from '../notifications/verify.ts';
import { freePort } from '../support/free-port.ts';
import { SECRET } from './setup.ts';

const at = '2026-11-21T16:04:25.118421Z';
const change = (key: string, text: string) => ({ at, key, kind: 'insert' as const, run: 'r1', text });
const message: FeedMessage = {
  ...{ id: 'feed_1', subscription: 'index', dataset: 'oda/SagAktør', run: 'r1', isLast: false },
  from: { at, key: null },
  to: { at, key: '2' },
  changes: [change('1', '{"key":"1","data":{"n":12345678901234567890.10}}'), change('2', '{"key":"2","data":"æ"}')],
};
const never = new AbortController().signal;
const target = (url: string, timeoutMs?: number) =>
  openWebhookTarget({
    url,
    secret: SECRET,
    userAgent: 'sheaf/test',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });

it('posts a batch in one message that is signed, with every value as the source wrote it', async () => {
  const receiver = await startReceiver();
  expect(await target(receiver.url).deliver(message, never)).toEqual({ kind: 'delivered', detail: 'HTTP 204' });
  const { headers = new Headers(), body = '' } = receiver.received[0] ?? {};
  expect(await verifyWebhook(SECRET, headers, body)).toMatchObject({
    changes: [{ key: '1' }, { key: '2', data: 'æ' }],
  });
  expect(headers.get('webhook-id')).toBe('feed_1');
  expect(body).toBe(
    `{"type":"changes","id":"feed_1","subscription":"index","dataset":"oda/SagAktør","run":"r1","from":{"at":"${at}","key":null},"to":{"at":"${at}","key":"2"},"last":false,"changes":[{"key":"1","data":{"n":12345678901234567890.10}},{"key":"2","data":"æ"}]}`,
  );
});

it.each([
  [200, 'delivered'],
  [302, 'failed'],
  [404, 'failed'],
  [410, 'refused'],
  [429, 'failed'],
  [500, 'failed'],
])('takes HTTP %d for %s, and follows nobody elsewhere', async (status, kind) => {
  const receiver = await startReceiver((response) => response.writeHead(status, { location: '/elsewhere' }).end());
  expect(await target(receiver.url).deliver(message, never)).toEqual({ kind, detail: `HTTP ${status}` });
  expect(receiver.received).toHaveLength(1);
});

it('says what went wrong with a receiver that breaks off, is silent, or is not there', async () => {
  const breaking = await startReceiver((response) => response.destroy());
  expect((await target(breaking.url).deliver(message, never)).kind).toBe('failed');
  const silent = await startReceiver(() => undefined);
  expect(await target(silent.url, 100).deliver(message, never)).toEqual({
    kind: 'failed',
    detail: 'no answer in time',
  });
  const ending = new AbortController();
  setTimeout(() => ending.abort(), 50);
  expect((await target(silent.url).deliver(message, ending.signal)).detail).toMatch(/this process/);
  expect(await target(`http://127.0.0.1:${await freePort()}/`).deliver(message, never)).toMatchObject({
    kind: 'failed',
  });
});
