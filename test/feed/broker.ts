import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';

const hasKcat = (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'kcat')));

/** A suite that needs a broker. Where kcat is missing it is skipped, and fails in CI. */
export function describeKafka(name: string, suite: () => void): void {
  if (hasKcat) return void describe(name, suite);
  const complaint = 'kcat is not installed (apt-get install kcat): Kafka is NOT tested.';
  if (process.env['CI'] !== undefined) return void it(name, () => expect.fail(complaint));
  process.stderr.write(`${complaint}\n`);
  describe.skip(name, suite);
}

export interface Broker {
  /** Its address, `127.0.0.1:port`. */
  readonly address: string;
  /** Ends it, and whatever it holds. */
  stop(): Promise<void>;
}

/** The broker of librdkafka's mock cluster, which speaks Kafka's protocol, and lives for as long as kcat's input is open. */
export async function startBroker(): Promise<Broker> {
  const options = ['-b', 'none', '-t', 'warm', '-X', 'test.mock.num.brokers=1', '-d', 'mock'];
  const child = spawn('kcat', ['-P', ...options], { stdio: ['pipe', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(stop);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  for (;;) {
    const address = /bootstrap\.servers=(127\.0\.0\.1:\d+)/.exec(said)?.[1];
    if (address !== undefined) return { address, stop };
    await Promise.race([
      once(child.stderr, 'data'),
      exited.then(() => Promise.reject(new Error(`kcat ended: ${said}`))),
    ]);
  }
}

export interface Consumed {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Null for a tombstone. */
  readonly payload: string | null;
  readonly partition: number;
}

/** All that a topic holds, partition by partition, as another client reads it. */
export async function consume({ address }: Broker, topic: string): Promise<Consumed[]> {
  const child = spawn('kcat', ['-C', '-b', address, '-t', topic, '-e', '-q', '-J'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const {
        key,
        headers = [],
        payload,
        partition,
      } = JSON.parse(line) as Omit<Consumed, 'headers'> & { headers?: string[] };
      const pairs = headers.flatMap((each, position) => (position % 2 === 0 ? [[each, headers[position + 1]]] : []));
      return { key, payload, partition, headers: Object.fromEntries(pairs) };
    });
}
