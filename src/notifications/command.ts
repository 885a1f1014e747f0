import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { redact } from '../domain/redact.ts';
import type { Deliverer, Delivery, Message } from './delivery.ts';

export interface CommandOptions {
  /** What `sh -c` is given. */
  readonly command: string;
  /** What the command inherits; the message's own variables are added. */
  readonly environment: NodeJS.ProcessEnv;
  /** How long the command may take, in milliseconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 60_000;
/** Of what the command prints, the last so many characters are kept. */
const KEPT_OUTPUT = 2_000;

/**
 * Runs a shell command for each message, with the message on stdin. What it needs to know comes by the environment, and
 * never as a part of the command, where a shell would read it.
 */
export function createCommand(options: CommandOptions): Deliverer {
  return { channel: 'command', deliver: (message, stop) => run(options, message, stop) };
}

async function run(
  { command, environment, timeoutMs = TIMEOUT_MS }: CommandOptions,
  message: Message,
  stop: AbortSignal,
): Promise<Delivery> {
  const { run: SHEAF_RUN, state: SHEAF_STATE, dataset: SHEAF_DATASET } = message;
  // A process group of its own, so that what the command starts can be ended with it.
  const child = spawn('sh', ['-c', command], {
    detached: true,
    env: { ...environment, SHEAF_RUN, SHEAF_STATE, SHEAF_DATASET },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = collectOutput(child);
  child.stdin.on('error', () => undefined); // a command need not read its stdin
  child.stdin.end(message.body);
  const kill = () => killGroup(child);
  const timer = setTimeout(kill, timeoutMs);
  stop.addEventListener('abort', kill);
  if (stop.aborted) kill();
  try {
    // Not `close`: a process that the command left in the background may hold its output open for ever.
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return outcomeOf({ code, signal, output: output() });
  } catch (error) {
    return { kind: 'failed', detail: (error as Error).message };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', kill);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** Returns what gives the end of what the command has printed so far. */
function collectOutput({ stdout, stderr }: ChildProcess): () => string {
  let text = '';
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-KEPT_OUTPUT);
    });
  }
  return () => redact(text.trim());
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has just ended
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

function outcomeOf({ code, signal, output }: Ended): Delivery {
  const end = code === null ? `ended by ${signal}` : `exit code ${code}`;
  const detail = output === '' ? end : `${end}: ${output}`;
  return { kind: code === 0 ? 'delivered' : 'failed', detail };
}
