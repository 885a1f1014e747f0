import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Phase, type ProgramName, phases, programNames, type Scripts } from './programs.ts';

export const cases = ['compare', 'growth', 'latency', 'start', 'costs'] as const;
export type Case = (typeof cases)[number];

export const USAGE = `usage: npm run bench -- [options]
  --case NAME        compare (default): Sheaf on both engines, the script by hand and the Celery reference, in turn;
                     growth: Sheaf over several numbers of records; latency: Sheaf against an upstream that takes its time;
                     start: how soon Sheaf asks for the first page, and how long a step takes that finds nothing;
                     costs: what the log of changes, the indexes and the partitions cost the merge, each by itself
  --rows N[,N...]    records (default 200000; growth: 10000,100000; start: 2000)
  --rounds N         how often (default 5; growth and latency: 1; costs: 3)
  --phases A,B       of ${phases.join(', ')} (default all; latency: cold)
  --programs A,B     of ${programNames.join(', ')} (default all that can run; else Sheaf's)
  --concurrency N    pages asked for at once, for Sheaf (default: Sheaf's own)
  --latency MS       how long the upstream takes for a page (default 0; latency: 100)
  --by-hand FILE     the script by hand (default ../shared/bench/by_hand.mjs)
  --celery FILE      the Celery reference (default ../shared/bench/celery_reference.py)
  --json FILE        write every figure there, too
  --quick            2000 records, one round: whether it works, and not how fast`;

/** What is to be measured. */
export interface Order {
  readonly case: Case;
  readonly rows: readonly number[];
  readonly rounds: number;
  readonly phases: readonly Phase[];
  readonly programs: readonly ProgramName[];
  readonly concurrency: number | null;
  readonly latencyMs: number;
  readonly scripts: Scripts;
  readonly json: string | null;
}

/** A wrong option: what is wrong with it. */
export class WrongOrder extends Error {}

type Defaults = Pick<Order, 'rows' | 'rounds' | 'phases' | 'programs' | 'latencyMs'>;

const ofSheaf = ['sheaf-postgres', 'sheaf-redis'] as const;
const defaults: Readonly<Record<Case, Defaults>> = {
  compare: { rows: [200_000], rounds: 5, phases, programs: programNames, latencyMs: 0 },
  growth: { rows: [10_000, 100_000], rounds: 1, phases, programs: ofSheaf, latencyMs: 0 },
  start: { rows: [2_000], rounds: 5, phases: ['cold'], programs: ofSheaf, latencyMs: 0 },
  costs: { rows: [200_000], rounds: 3, phases, programs: [], latencyMs: 0 },
  latency: { rows: [200_000], rounds: 1, phases: ['cold'], programs: ofSheaf, latencyMs: 100 },
};
const quick = { rows: [2_000], rounds: 1 };

/** Null when help is asked for. Throws a WrongOrder. */
export function readOrder(args: readonly string[]): Order | null {
  const values = parse(args);
  if (values.help) return null;
  const kind = pick('case', values.case ?? 'compare', cases);
  const usual = { ...defaults[kind], ...(values.quick ? quick : {}) };
  return {
    case: kind,
    rows: values.rows?.split(',').map((text) => wholeNumber('rows', text)) ?? usual.rows,
    rounds: values.rounds === undefined ? usual.rounds : wholeNumber('rounds', values.rounds),
    phases: checkPhases(values.phases?.split(',').map((text) => pick('phases', text, phases)) ?? usual.phases),
    programs: values.programs?.split(',').map((text) => pick('programs', text, programNames)) ?? usual.programs,
    concurrency: values.concurrency === undefined ? null : wholeNumber('concurrency', values.concurrency),
    latencyMs: values.latency === undefined ? usual.latencyMs : wholeNumber('latency', values.latency),
    scripts: {
      byHand: besideProject(values['by-hand'], 'by_hand.mjs'),
      celery: besideProject(values.celery, 'celery_reference.py'),
    },
    json: values.json ?? null,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = {
    case: text,
    rows: text,
    rounds: text,
    phases: text,
    programs: text,
    concurrency: text,
    latency: text,
    'by-hand': text,
    celery: text,
    json: text,
    quick: flag,
    help: flag,
  };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new WrongOrder(error instanceof Error ? error.message : String(error));
  }
}

function besideProject(given: string | undefined, name: string): string {
  return given === undefined ? fileURLToPath(new URL(`../../shared/bench/${name}`, import.meta.url)) : resolve(given);
}

/** Warm and changed are measured against what a cold harvest has left. */
function checkPhases(asked: readonly Phase[]): readonly Phase[] {
  if (asked[0] === 'cold') return asked;
  throw new WrongOrder('--phases: expected cold first, which the others build upon.');
}

function pick<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((each) => each === text);
  if (found === undefined) throw new WrongOrder(`--${option}: expected some of ${known.join(', ')}, not "${text}".`);
  return found;
}

function wholeNumber(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new WrongOrder(`--${option}: expected a whole number from 1, not "${text}".`);
}
