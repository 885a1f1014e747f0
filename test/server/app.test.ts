import { expect, it } from 'vitest';
import { startServer } from '../../src/runtime/serve.ts';
import { startServedFleet } from './setup.ts';

it('answers for its process', async () => {
  const { url } = await startServedFleet();
  const health = await fetch(`${url}/healthz`);
  expect(await health.json()).toMatchObject({ status: 'ok' });
});

it('says so when it cannot listen', async () => {
  const { url, context } = await startServedFleet();
  const port = Number(new URL(url).port);
  await expect(startServer(context, { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'cannot-listen' });
});
