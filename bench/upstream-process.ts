import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Edition } from './records.ts';

export interface Upstream {
  readonly url: string;
  readonly pid: number;
  serve(edition: Edition): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface UpstreamOptions {
  readonly rows: number;
  readonly latencyMs: number;
  /** Each request is written there as a line of JSON; null: nowhere. */
  readonly requestLog: string | null;
}

export async function startUpstream({ rows, latencyMs, requestLog }: UpstreamOptions): Promise<Upstream> {
  const program = fileURLToPath(new URL('./upstream.ts', import.meta.url));
  const child = fork(program, [String(rows), String(latencyMs), requestLog ?? '']);
  const ended = once(child, 'exit');
  const url = String(await answerOf(child));
  return {
    url,
    pid: child.pid ?? 0,
    serve: async (edition) => {
      const answer = answerOf(child);
      child.send(edition);
      await answer;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const listening = new AbortController(); // neither is listened for any longer than until the other has come
  const { signal } = listening;
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error('the upstream has ended by itself');
  });
  ended.catch(() => undefined);
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message;
  } finally {
    listening.abort();
  }
}
