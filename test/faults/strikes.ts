import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queues } from '../../src/queues/queues.ts';
import { openQueues } from '../../src/queues/queues.ts';
import { type Bench, clockFile } from './bench.ts';
import { createRandom } from './random.ts';
import type { Strike, StrikeKind } from './scenario.ts';
import type { SheafProcess } from './sheaf-process.ts';
import { faultRules, outageRules, type TwinSwitch } from './twin-strikes.ts';

/** What a strike works with: the bench, and what it hits by chance, the same for the same seed. */
export interface StrikeContext {
  readonly bench: Bench;
  readonly twin: TwinSwitch;
  /** From 0 up to 1: which of several is hit. */
  readonly draw: () => number;
  /** The finaliser, for what strikes at a step of finalising. */
  readonly finaliserPid: number | null;
}

/** Carries a strike out, and resolves when it is over. False when there was nothing to strike. */
export type Strikes = Readonly<Record<StrikeKind, (context: StrikeContext, strike: Strike) => Promise<boolean>>>;

export const strikes: Strikes = {
  'kill-worker': async (context) => signalWorker(context, 'SIGKILL') !== undefined,
  'stop-worker': async (context) => signalWorker(context, 'SIGTERM') !== undefined,
  'freeze-worker': freezeWorker,
  'kill-planner': async ({ bench }) => killProcess(bench, bench.commands.at(-1)),
  'kill-finaliser': async ({ bench, finaliserPid }) =>
    killProcess(
      bench,
      bench.fleet.living().find(({ pid }) => pid === finaliserPid),
    ),
  'restart-redis': async ({ bench }, { forMs }) => {
    await bench.lane.redis?.restartEmpty(forMs);
    return bench.lane.redis !== null;
  },
  'flush-redis': async ({ bench }) => {
    await bench.lane.redis?.flush();
    return bench.lane.redis !== null;
  },
  'restart-postgres': async ({ bench }, { forMs }) => {
    bench.happened.postgresCrashes += 1;
    await bench.lane.postgres.restartImmediately(forMs);
    return true;
  },
  'cut-store': async (context, strike) => {
    proxyOf(context, strike).cut(strike.forMs);
    await sleep(strike.forMs);
    return true;
  },
  'freeze-store': async (context, strike) => {
    proxyOf(context, strike).freeze(strike.forMs);
    await sleep(strike.forMs);
    return true;
  },
  'lose-answers': loseAnswers,
  'duplicate-jobs': duplicateJobs,
  'jump-clock': jumpClock,
  'fill-disk': fillDisk,
  'twin-faults': async ({ twin }, strike) => {
    const end = twin.on(faultRules(strike));
    await sleep(strike.forMs);
    end();
    return true;
  },
  'twin-outage': async ({ twin }, strike) => {
    const end = twin.on(outageRules(strike));
    await sleep(strike.forMs);
    end();
    return true;
  },
};

function proxyOf({ bench }: StrikeContext, { store }: Strike) {
  const { postgres, redis } = bench.lane.proxies;
  return store === 'redis' && redis !== null ? redis : postgres;
}

function pickWorker({ bench, draw }: StrikeContext): SheafProcess | undefined {
  const workers = bench.fleet.working();
  return workers[Math.floor(draw() * workers.length)];
}

function signalWorker(context: StrikeContext, signal: NodeJS.Signals): SheafProcess | undefined {
  const worker = pickWorker(context);
  worker?.send(signal);
  if (worker !== undefined) context.bench.say(`${signal} to ${worker.name} (pid ${worker.pid})`);
  return worker;
}

function killProcess(bench: Bench, process: SheafProcess | undefined): boolean {
  if (process === undefined || process.ending() !== undefined) return false;
  process.send('SIGKILL');
  bench.say(`SIGKILL to ${process.name} (pid ${process.pid})`);
  return true;
}

async function freezeWorker(context: StrikeContext, { forMs }: Strike): Promise<boolean> {
  const worker = signalWorker(context, 'SIGSTOP');
  if (worker === undefined) return false;
  await sleep(forMs);
  worker.send('SIGCONT');
  return true;
}

/** Answers to commits, or to whatever the queue writes; those that are not lost within a while are kept. */
async function loseAnswers(context: StrikeContext, strike: Strike): Promise<boolean> {
  const proxy = proxyOf(context, strike);
  const before = proxy.counts.lost;
  proxy.loseAnswers(strike.count);
  for (let waited = 0; waited < 1_500 && proxy.counts.lost - before < strike.count; waited += 20) await sleep(20);
  proxy.loseAnswers(0);
  return proxy.counts.lost > before;
}

async function jumpClock({ bench, draw }: StrikeContext, { offsetMs }: Strike): Promise<boolean> {
  const number = 1 + Math.floor(draw() * bench.scenario.workers);
  await writeFile(clockFile(bench.lane, number), String(offsetMs));
  const worker = bench.fleet.working().find(({ name }) => name.split('.')[0] === `worker-${number}`);
  worker?.send('SIGUSR2');
  bench.say(`the clock of worker-${number} jumps by ${Math.round(offsetMs / 1000)} s`);
  return worker !== undefined;
}

async function fillDisk({ bench }: StrikeContext, { forMs }: Strike): Promise<boolean> {
  const pids = () => bench.fleet.living().map(({ pid }) => pid);
  await bench.lane.disk.fill(pids());
  await sleep(forMs);
  await bench.lane.disk.free(pids());
  return true;
}

/** Delivers again what the ledger says is open: the same jobs under new names, as a queue that forgets does. */
async function duplicateJobs({ bench }: StrikeContext, { count }: Strike): Promise<boolean> {
  const installation = await bench.ledger.look<{ id: string }>('select id from sheaf.installation');
  if (installation?.[0] === undefined) return false;
  const queues = openQueues({
    databaseUrl: bench.databaseUrl,
    redisUrl: bench.scenario.engine === 'redis' ? bench.lane.redis?.url : undefined,
    installation: installation[0].id,
    onError: () => undefined,
  });
  try {
    for (let times = 1; times <= count; times++) await deliverAgain(bench, queues, times);
    return true;
  } catch (error) {
    bench.say(`duplicating jobs ended early: ${String(error)}`); // the store is being struck as well
    return false;
  } finally {
    await queues.close().catch(() => undefined);
  }
}

async function deliverAgain({ ledger }: Bench, queues: Queues, round: number): Promise<void> {
  const slices = await ledger.query<{ run: string; slice: number; attempt: number }>(
    `select run_id as run, number as slice, attempt - (state = 'working')::int as attempt
     from sheaf.slices where state in ('pending', 'working')`,
  );
  await queues.add(
    'sheaf-slices',
    slices.map((slice) => ({ ...slice, round })),
  );
  const runs = await ledger.query<{ run: string; generation: number; attempt: number }>(
    `select id as run, generation, attempt from sheaf.runs where sealed_at is not null`,
  );
  await queues.add(
    'sheaf-finalise',
    runs.map((run) => ({ ...run, round })),
  );
}

/** Draws of a scenario's strikes, apart from those that made it. */
export function drawsOf(seed: number): () => number {
  return createRandom(seed * 13 + 5).next;
}
