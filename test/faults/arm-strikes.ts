import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import type { StepTaken } from './ledger.ts';
import type { Step, Strike, StrikeKind, Trigger } from './scenario.ts';
import { wantedRows } from './source-rows.ts';
import { drawsOf, strikes } from './strikes.ts';
import { createTwinSwitch } from './twin-strikes.ts';

/** The strikes of a scenario, each waiting for its moment. */
export interface Armed {
  /** Those that hit something. */
  readonly carriedOut: readonly StrikeKind[];
  /** Strikes that have begun, whether they hit something or not. */
  readonly begun: readonly StrikeKind[];
  isUnderWay(): boolean;
  /** No further strike begins; resolves when those under way are over and the source is well. */
  disarm(): Promise<void>;
}

/** What planning asks the source before the first page. */
const PLAN_REQUESTS = 3;

export function armStrikes(bench: Bench): Armed {
  const over = new AbortController();
  const begun: StrikeKind[] = [];
  const carriedOut: StrikeKind[] = [];
  const twin = createTwinSwitch(bench.lane.twin);
  const draw = drawsOf(bench.scenario.seed);
  let underWay = 0;

  const strike = async (each: Strike): Promise<void> => {
    const taken = await triggered(bench, each.trigger, over.signal);
    if (each.delayMs > 0) await sleep(each.delayMs, undefined, { signal: over.signal });
    over.signal.throwIfAborted();
    begun.push(each.kind);
    underWay += 1;
    bench.say(`strike: ${describeStrike(each)}`);
    try {
      const context = { bench, twin, draw, finaliserPid: taken?.pid ?? null };
      const hasHit = await strikes[each.kind](context, each);
      if (hasHit) carriedOut.push(each.kind);
      bench.say(`${each.kind} is over${hasHit ? '' : '; it hit nothing'}`);
    } finally {
      underWay -= 1;
      bench.happened.lastStrikeAt = Date.now();
    }
  };
  // Those of one kind follow each other, so that two do not strike at the same moment.
  const series = [...Map.groupBy(bench.scenario.strikes, ({ kind }) => kind).values()].map(async (group) => {
    for (const each of group) {
      if (over.signal.aborted) return;
      await strike(each).catch((error: unknown) => tellUnlessOver(bench, error, over.signal));
    }
  });
  return {
    carriedOut,
    begun,
    isUnderWay: () => underWay > 0,
    disarm: async () => {
      over.abort(new Error('the run is over'));
      await Promise.all(series);
      twin.heal();
    },
  };
}

function tellUnlessOver(bench: Bench, error: unknown, over: AbortSignal): void {
  if (!over.aborted) bench.say(`a strike failed: ${error instanceof Error ? error.stack : String(error)}`);
}

/** Resolves when the trigger is reached. Rejects when the run is over before. */
async function triggered(bench: Bench, trigger: Trigger, over: AbortSignal): Promise<StepTaken | undefined> {
  if (trigger.when === 'step') return reached(bench, trigger.step, over);
  const { requests } = bench.lane.twin;
  const pages = wantedRows(bench.rows, bench.scenario).length / bench.scenario.cap;
  const wanted = trigger.when === 'plan' ? trigger.requests : PLAN_REQUESTS + trigger.share * pages;
  while (requests.length < wanted) await sleep(5, undefined, { signal: over });
  return undefined;
}

async function reached({ ledger }: Bench, step: Step, over: AbortSignal): Promise<StepTaken> {
  over.throwIfAborted();
  return new Promise((resolve, reject) => {
    over.addEventListener('abort', () => reject(over.reason), { once: true });
    ledger.onStep((taken) => {
      if (taken.step === step) resolve(taken);
    });
  });
}

export function describeStrike({ kind, trigger, delayMs, forMs, store, trouble, rate, count }: Strike): string {
  const at = {
    pages: () => `at ${Math.round(100 * (trigger.when === 'pages' ? trigger.share : 0))} % of the pages`,
    step: () => `at the step "${trigger.when === 'step' ? trigger.step : ''}"`,
    plan: () => `at planning request ${trigger.when === 'plan' ? trigger.requests : ''}`,
  }[trigger.when]();
  const details: Partial<Record<StrikeKind, string>> = {
    'cut-store': `${store} for ${forMs} ms`,
    'freeze-store': `${store} for ${forMs} ms`,
    'lose-answers': `${count} of ${store}`,
    'twin-faults': `${trouble}, ${Math.round(rate * 100)} % of the answers for ${forMs} ms`,
    'freeze-worker': `for ${forMs} ms`,
    'fill-disk': `for ${forMs} ms`,
  };
  return [kind, details[kind], at, delayMs > 0 ? `and ${delayMs} ms` : ''].filter(Boolean).join(' ');
}
