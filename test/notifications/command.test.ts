import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { createCommand } from '../../src/notifications/command.ts';

const message = {
  id: '1-x_1',
  run: '1-x',
  state: 'failed',
  dataset: "oda/Sag'; echo hacked; '",
  body: '{"type":"run.ended"}',
} as const;
const environment = { PATH: process.env['PATH'] };
const never = new AbortController().signal;
const deliver = (command: string, timeoutMs = 10_000) =>
  createCommand({ command, environment, timeoutMs }).deliver(message, never);

it('gives the command the message on stdin and its names in the environment', async () => {
  const delivery = await deliver('cat; echo; echo "$SHEAF_RUN $SHEAF_STATE $SHEAF_DATASET"');
  expect(delivery).toEqual({
    kind: 'delivered',
    detail: `exit code 0: {"type":"run.ended"}\n1-x failed oda/Sag'; echo hacked; '`,
  });
});

it('does not mind a command that does not read its stdin', async () => {
  expect(await deliver('exec <&-; true')).toEqual({ kind: 'delivered', detail: 'exit code 0' });
});

it('tells of a command that fails what it said, the end of it, without passwords', async () => {
  const delivery = await deliver('echo to postgres://me:secret@db/sheaf >&2; exit 3');
  expect(delivery).toEqual({ kind: 'failed', detail: 'exit code 3: to postgres://***@db/sheaf' });
  const { detail } = await deliver('yes noise | head -c 1000000; echo the end; exit 1');
  expect(detail.length).toBeLessThan(2_100);
  expect(detail).toContain('the end');
});

it('ends a command that hangs, and what it started with it', async () => {
  const { kind, detail } = await deliver('sleep 300 & echo $!; wait', 300);
  expect(kind).toBe('failed');
  const [, pid] = /^ended by SIGKILL: (\d+)$/.exec(detail) ?? [];
  await expect.poll(() => isRunning(Number(pid))).toBe(false);
});

it('is not run to its end when it is told to stop', async () => {
  const stopped = AbortSignal.abort();
  const { kind } = await createCommand({ command: 'sleep 300', environment }).deliver(message, stopped);
  expect(kind).toBe('failed');
});

it('does not wait for what the command leaves in the background', async () => {
  const { kind, detail } = await deliver('sleep 300 & echo $!');
  expect(kind).toBe('delivered');
  process.kill(Number(/(\d+)$/.exec(detail)?.[1]), 'SIGKILL');
});

it('says so when there is no shell', async () => {
  const { deliver: without } = createCommand({ command: 'true', environment: { PATH: '/nowhere' } });
  expect(await without(message, never)).toMatchObject({ kind: 'failed', detail: expect.stringContaining('ENOENT') });
});

/** A process that has ended, and that nobody has asked about yet, is a zombie. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}
