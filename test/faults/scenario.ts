import { createRandom, type Random } from './random.ts';

export type Engine = 'postgres' | 'redis';
export type Store = 'postgres' | 'redis';

/** Everything that strikes. One kind may do its work in several ways; which is drawn with the strike. */
export const strikeKinds = [
  'kill-worker',
  'stop-worker',
  'freeze-worker',
  'kill-planner',
  'kill-finaliser',
  'restart-redis',
  'flush-redis',
  'restart-postgres',
  'cut-store',
  'freeze-store',
  'lose-answers',
  'duplicate-jobs',
  'jump-clock',
  'fill-disk',
  'twin-faults',
  'twin-outage',
] as const;
export type StrikeKind = (typeof strikeKinds)[number];

/** Only where there is a Redis to strike. */
const redisKinds: readonly StrikeKind[] = ['restart-redis', 'flush-redis'];

/** Steps of planning (written, sealed) and of finalising, each reached when its write is committed. */
export type Step = 'written' | 'sealed' | 'claimed' | 'proved' | 'merged' | 'published';

export type Trigger =
  /** The source has been asked for this share of the pages. */
  | { readonly when: 'pages'; readonly share: number }
  /** The planner, or a finaliser, has come so far. */
  | { readonly when: 'step'; readonly step: Step }
  /** The planner has sent so many requests. */
  | { readonly when: 'plan'; readonly requests: number };

export type TwinTrouble =
  | 'too-many'
  | 'too-many-date'
  | 'server-error'
  | 'reset'
  | 'truncated'
  | 'html'
  | 'slow'
  | 'hang'
  | 'other-shape'
  | 'duplicated-rows'
  | 'missing-rows';

export interface Strike {
  readonly kind: StrikeKind;
  readonly trigger: Trigger;
  /** Between the trigger and the strike. */
  readonly delayMs: number;
  /** How long it lasts, for what lasts. */
  readonly forMs: number;
  /** How many at once, or how often. */
  readonly count: number;
  readonly store: Store;
  /** For `jump-clock`. */
  readonly offsetMs: number;
  /** For `twin-faults`. */
  readonly trouble: TwinTrouble;
  readonly rate: number;
}

export interface ScenarioRequest {
  /** Of the source's filter language; `typeid` is 1 to 4. */
  readonly typeid: number | null;
  readonly select: readonly string[] | null;
  readonly strategy: 'keyset' | 'offset' | null;
  readonly formats: readonly ('ndjson' | 'json' | 'csv')[];
  readonly onFailure: 'stop' | 'partial';
}

export interface Scenario {
  readonly seed: number;
  readonly engine: Engine;
  readonly rows: number;
  /** The share of ids in use between the first and the last. */
  readonly density: number;
  /** The source's page size. */
  readonly cap: number;
  readonly latencyMs: { readonly min: number; readonly max: number };
  readonly workers: number;
  readonly concurrency: number;
  readonly request: ScenarioRequest;
  readonly strikes: readonly Strike[];
}

export interface ScenarioLimits {
  /** Only these kinds strike; undefined for all. */
  readonly kinds?: readonly StrikeKind[] | undefined;
  /** Instead of the engine that the seed draws: even seeds PostgreSQL, odd ones Redis. */
  readonly engine?: Engine | undefined;
}

/** The scenario of a seed. The same seed and limits always give the same one. */
export function createScenario(seed: number, limits: ScenarioLimits = {}): Scenario {
  const random = createRandom(seed);
  const engine = limits.engine ?? (seed % 2 === 0 ? 'postgres' : 'redis');
  const rows = random.chance(0.1) ? random.between(300, 600) : random.between(600, 4_000);
  const pages = random.between(14, 60);
  const least = random.between(10, 40);
  const request = createRequest(random);
  return {
    seed,
    engine,
    rows,
    density: random.pick([0.03, 0.3, 0.75, 0.97]),
    cap: Math.min(100, Math.max(20, Math.ceil(rows / pages))),
    latencyMs: { min: least, max: least + random.between(0, 60) },
    workers: random.pick([1, 2, 2, 3]),
    concurrency: random.between(1, 4),
    request,
    strikes: createStrikes(random, { engine, hasMerge: request.select === null }, limits.kinds ?? strikeKinds),
  };
}

function createRequest(random: Random): ScenarioRequest {
  return {
    typeid: random.chance(0.15) ? random.between(1, 4) : null,
    select: random.chance(0.12) ? random.sample(['nummer', 'typeid', 'konklusion', 'vedtaget'], 2) : null,
    strategy: random.pick([null, null, 'keyset', 'offset']),
    formats: random.pick([['ndjson', 'json', 'csv'], ['ndjson'], ['csv', 'ndjson'], ['json']]),
    onFailure: random.chance(0.3) ? 'partial' : 'stop',
  };
}

/** What a strike's place and time depend on. */
interface Surroundings {
  readonly engine: Engine;
  /** A selection goes into files only: nothing is merged. */
  readonly hasMerge: boolean;
}

function createStrikes(random: Random, around: Surroundings, wanted: readonly StrikeKind[]): Strike[] {
  const possible = wanted.filter((kind) => around.engine === 'redis' || !redisKinds.includes(kind));
  if (possible.length === 0) return [];
  const kinds = random.sample(possible, random.chance(1 / 3) ? 1 : random.between(2, 4));
  const strikes = kinds.flatMap((kind) =>
    Array.from({ length: timesOf(random, kind) }, () => createStrike(random, kind, around)),
  );
  return withLongCut(random, strikes);
}

/** What strikes processes does so more often than once in some scenarios. */
function timesOf(random: Random, kind: StrikeKind): number {
  const mayRepeat = ['kill-worker', 'freeze-worker', 'kill-finaliser', 'duplicate-jobs', 'cut-store', 'twin-faults'];
  return mayRepeat.includes(kind) && random.chance(0.4) ? random.between(2, 3) : 1;
}

/** Once in 25 scenarios a store is away for longer than most time-outs. Only where a cut was drawn anyway. */
function withLongCut(random: Random, strikes: Strike[]): Strike[] {
  const isLong = random.chance(0.12);
  const first = strikes.find(({ kind }) => kind === 'cut-store');
  return strikes.map((strike) => (isLong && strike === first ? { ...strike, forMs: LONG_CUT_MS } : strike));
}

export const LONG_CUT_MS = 40_000;

function createStrike(random: Random, kind: StrikeKind, { engine, hasMerge }: Surroundings): Strike {
  return {
    kind,
    trigger: createTrigger(random, kind, hasMerge),
    delayMs: random.chance(0.5) ? 0 : random.between(1, ['kill-finaliser', 'kill-planner'].includes(kind) ? 25 : 250),
    forMs: durationOf(random, kind),
    count: random.between(1, kind === 'lose-answers' ? 4 : 3),
    store: engine === 'redis' && random.chance(0.5) ? 'redis' : 'postgres',
    offsetMs: random.pick([-1, 1]) * random.between(60_000, 7_200_000),
    trouble: random.pick(twinTroubles),
    rate: random.between(5, 40) / 100,
  };
}

const twinTroubles: readonly TwinTrouble[] = [
  'too-many',
  'too-many-date',
  'server-error',
  'reset',
  'truncated',
  'html',
  'slow',
  'hang',
  'other-shape',
  'duplicated-rows',
  'missing-rows',
];

function createTrigger(random: Random, kind: StrikeKind, hasMerge: boolean): Trigger {
  const steps: readonly Step[] = ['claimed', 'proved', 'published', ...(hasMerge ? (['merged'] as const) : [])];
  const atStep: Trigger = { when: 'step', step: random.pick(steps) };
  const atPages: Trigger = { when: 'pages', share: random.between(2, 95) / 100 };
  if (kind === 'kill-planner' && random.chance(0.5)) return { when: 'step', step: random.pick(['written', 'sealed']) };
  if (kind === 'kill-planner') return { when: 'plan', requests: random.between(1, 3) };
  if (kind === 'kill-finaliser') return atStep;
  if (kind === 'fill-disk') return random.chance(0.5) ? { when: 'step', step: 'claimed' } : atPages;
  if (kind === 'twin-faults' || kind === 'twin-outage' || kind === 'jump-clock') return atPages;
  return random.chance(0.2) ? atStep : atPages;
}

function durationOf(random: Random, kind: StrikeKind): number {
  switch (kind) {
    case 'cut-store':
    case 'freeze-store':
      return random.between(200, 5_000);
    case 'freeze-worker':
      return random.between(500, 6_000);
    case 'restart-postgres':
    case 'restart-redis':
      return random.chance(0.5) ? 0 : random.between(100, 2_000);
    case 'fill-disk':
      return random.between(500, 3_000);
    default:
      return random.between(300, 2_500);
  }
}
