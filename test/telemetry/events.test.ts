import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTelemetry } from '../../src/telemetry/events.ts';

it('gives what is done for a run its names, however deep it is done, and nothing else', async () => {
  const telemetry = createTelemetry();
  const told: unknown[] = [];
  telemetry.on('gate.closed', (event) => told.push(event));
  const close = async () => {
    await sleep(1);
    telemetry.emit('gate.closed', { source: 'oda', forMs: 1 });
  };
  const inSlice = telemetry.within({ run: 'a', slice: 1 }, () => telemetry.span('page', {}, close));
  await Promise.all([inSlice, telemetry.within({ run: 'b' }, close), close()]);
  expect(told).toEqual([
    { source: 'oda', forMs: 1, run: 'a', slice: 1 },
    { source: 'oda', forMs: 1, run: 'b' },
    { source: 'oda', forMs: 1 },
  ]);
});

it('passes on what work done as a span gives back or throws', async () => {
  const { span } = createTelemetry();
  expect(await span('page', {}, async () => 7)).toBe(7);
  const failing = span('page', {}, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
});
