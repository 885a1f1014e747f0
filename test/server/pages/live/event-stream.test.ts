import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { fastify } from 'fastify';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { EventStream } from '../../../../src/server/pages/live/event-stream.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

it('ends after a quarter of an hour, so that whoever has signed out meanwhile does not come back', async () => {
  const app = fastify({ forceCloseConnections: true });
  onTestFinished(() => app.close());
  const onClose = vi.fn();
  const { promise: opened, resolve } = Promise.withResolvers<EventStream>();
  app.get('/events', { exposeHeadRoute: false }, (_request, reply) => resolve(new EventStream(reply, onClose)));
  const [answer] = (await once(get(`${await app.listen({ port: 0 })}/events`), 'response')) as [IncomingMessage];
  const told = text(answer);
  const stream = await opened;
  vi.advanceTimersByTime(14 * 60_000);
  stream.send('event: beat\n\n');
  vi.advanceTimersByTime(60_000);
  expect(await told).toBe('retry: 2000\n\nevent: beat\n\n');
  await vi.waitFor(() => expect(onClose).toHaveBeenCalledOnce());
  expect(vi.getTimerCount()).toBe(0);
});
