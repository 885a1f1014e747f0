import { setTimeout as sleep } from 'node:timers/promises';
import { type SheafProcess, spokenBy, startSheaf } from './sheaf-process.ts';

/** Worker processes, and who starts them again: what systemd or a container platform does. */
export interface Fleet {
  /** Every process so far, dead ones too. */
  readonly processes: readonly SheafProcess[];
  /** Those that run and have joined the fleet. */
  working(): SheafProcess[];
  /** Those that run. */
  living(): SheafProcess[];
  /** Ends all of them with SIGTERM. Returns what was wrong about how any process of the fleet ended. */
  stop(): Promise<string[]>;
}

export interface FleetOptions {
  readonly workers: number;
  readonly concurrency: number;
  readonly directory: string;
  /** Of the n-th worker. */
  readonly environment: (worker: number) => Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
}

const RESTART_MS = 200;
/** Closing costs what is under way; a worker that takes longer hangs. */
const STOP_MS = 15_000;

export function startFleet(options: FleetOptions): Fleet {
  const processes: SheafProcess[] = [];
  let isStopping = false;

  const launch = (worker: number, round: number): void => {
    const process = startSheaf({
      name: `worker-${worker}${round === 1 ? '' : `.${round}`}`,
      args: ['worker', '--concurrency', String(options.concurrency)],
      directory: options.directory,
      environment: options.environment(worker),
    });
    processes.push(process);
    void process.ended.then(async ({ code, signal }) => {
      options.say(`${process.name} ended with ${signal ?? code}${code ? `: ${spokenBy(process).at(-1) ?? ''}` : ''}`);
      await sleep(RESTART_MS);
      if (!isStopping) launch(worker, round + 1);
    });
  };
  for (let worker = 1; worker <= options.workers; worker++) launch(worker, 1);

  const living = () => processes.filter((process) => process.ending() === undefined);
  return {
    processes,
    living,
    working: () => living().filter(hasJoined),
    stop: async () => {
      isStopping = true;
      const last = living();
      for (const process of last) if (!process.signals.includes('SIGTERM')) process.send('SIGTERM');
      const late = new Set<SheafProcess>();
      await Promise.all(
        last.map((process) => endedIn(process, STOP_MS).then((isInTime) => isInTime || late.add(process))),
      );
      for (const process of late) process.send('SIGKILL');
      await Promise.all(processes.map((process) => process.ended));
      return processes.flatMap((process) =>
        whatWasWrong(process, { isLate: late.has(process), isLast: last.includes(process) }),
      );
    },
  };
}

function hasJoined({ lines }: SheafProcess): boolean {
  return lines.some((line) => /^Worker \d+ asks for/.test(line));
}

async function endedIn(process: SheafProcess, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const isInTime = await Promise.race([process.ended.then(() => true), late]);
  timer.abort();
  return isInTime;
}

/** A process may end by the suite's kill, by SIGTERM with 0, or by itself with a code and a reason. */
function whatWasWrong(process: SheafProcess, facts: { readonly isLate: boolean; readonly isLast: boolean }): string[] {
  const ending = process.ending();
  if (facts.isLate) return [`${process.name} (pid ${process.pid}) did not end within ${STOP_MS / 1000} s of SIGTERM`];
  if (ending === undefined) return [`${process.name} (pid ${process.pid}) is still there`];
  const { code, signal } = ending;
  const wasTold = process.signals.includes('SIGTERM');
  const wasKilled = signal === 'SIGKILL' && process.signals.includes('SIGKILL');
  const wasTooYoung = signal === 'SIGTERM' && wasTold && !hasJoined(process); // no handler yet
  if (wasKilled || wasTooYoung || (code === 0 && wasTold)) return [];
  const hasReason = code !== null && code !== 0 && spokenBy(process).length > 0;
  if (hasReason && !(facts.isLast && hasJoined(process))) return [];
  return [`${process.name} ended with ${signal ?? code}: ${process.lines.slice(-3).join(' | ')}`];
}
