import { expect, it } from 'vitest';
import { createWebhook } from '../../src/notifications/webhook.ts';
import { freePort } from '../support/free-port.ts';
import { startReceiver } from './receiver.ts';
import { verifyWebhook } from './verify.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const message = { id: '1-x_1', run: '1-x', state: 'failed', dataset: 'oda/Sag', body: '{"a":"æ"}' } as const;
const never = new AbortController().signal;
const hook = (url: string, timeoutMs = 10_000) => createWebhook({ url, secret, userAgent: 'sheaf/test', timeoutMs });

it('sends a message that its receiver can verify, and no changed one', async () => {
  const { url, received } = await startReceiver();
  expect(await hook(url).deliver(message, never)).toEqual({ kind: 'delivered', detail: 'HTTP 204' });
  const [{ headers, body } = { headers: new Headers(), body: '' }] = received;
  expect(body).toBe(message.body);
  expect(headers.get('webhook-id')).toBe(message.id);
  expect(headers.get('content-type')).toBe('application/json');
  expect(await verifyWebhook(secret, headers, body)).toEqual({ a: 'æ' });
  await expect(verifyWebhook(secret, headers, body.replace('a', 'b'))).rejects.toThrow('no signature fits');
  const other = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
  await expect(verifyWebhook(other, headers, body)).rejects.toThrow('no signature fits');
  headers.set('webhook-id', '1-x_2');
  await expect(verifyWebhook(secret, headers, body)).rejects.toThrow('no signature fits');
});

it.each([
  [200, 'delivered'],
  [299, 'delivered'],
  [400, 'failed'],
  [500, 'failed'],
  [410, 'refused'],
])('takes HTTP %i for %s', async (status, kind) => {
  const { url } = await startReceiver((response) => response.writeHead(status).end('words'));
  expect(await hook(url).deliver(message, never)).toEqual({ kind, detail: `HTTP ${status}` });
});

it('does not follow a redirect: nobody else is to get the message', async () => {
  const other = await startReceiver();
  const { url } = await startReceiver((response) => response.writeHead(307, { location: other.url }).end());
  expect(await hook(url).deliver(message, never)).toEqual({ kind: 'failed', detail: 'HTTP 307' });
  expect(other.received).toEqual([]);
});

it('waits no longer than it may for a receiver that is slow, and says when one is dead', async () => {
  const { url } = await startReceiver(() => undefined);
  expect(await hook(url, 300).deliver(message, never)).toEqual({ kind: 'failed', detail: 'no answer in time' });
  const dead = `http://127.0.0.1:${await freePort()}/secret-path`;
  expect(await hook(dead).deliver(message, never)).toEqual({ kind: 'failed', detail: 'ECONNREFUSED' });
});

it('breaks off when it is told to stop', async () => {
  const stop = new AbortController();
  const { url } = await startReceiver(() => stop.abort());
  const delivery = await hook(url).deliver(message, stop.signal);
  expect(delivery).toEqual({ kind: 'failed', detail: 'no answer before the end of this process' });
});
