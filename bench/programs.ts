import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const programNames = ['sheaf-postgres', 'sheaf-redis', 'by-hand', 'celery'] as const;
export type ProgramName = (typeof programNames)[number];
export const phases = ['cold', 'warm', 'changed'] as const;
export type Phase = (typeof phases)[number];

/** Where a program finds everything for one round. */
export interface Place {
  readonly upstream: string;
  readonly rows: number;
  readonly database: string;
  /** Null for a program that uses none. */
  readonly redis: string | null;
  readonly out: string;
  /** Pages asked for at once, for Sheaf; null for its default. */
  readonly concurrency: number | null;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory: string;
}

export interface Counts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** What a program said of its work. */
export interface Said {
  /** By its own clock: from the plan to the published files for Sheaf; for the others without what precedes the first page. */
  readonly ownMs: number;
  /** Null for one that does not count its own work. */
  readonly counts: Counts | null;
  readonly ndjson: string | null;
  readonly csv: string;
}

export interface Program {
  readonly name: ProgramName;
  readonly usesRedis: boolean;
  /** What is to be done once before the first harvest; not measured. */
  readonly prepare?: (place: Place) => Command;
  readonly harvest: (place: Place) => Command;
  readonly read: (stdout: string, place: Place) => Said;
  /** Where in the database its records are. */
  readonly table: string;
  /** Where its queue is in the database; null when it has none there. */
  readonly queueSchema: string | null;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The command as users run it. */
export const SHEAF = resolve(ROOT, 'bin/sheaf');
const PYTHON = '/usr/bin/python3';

/** Sheaf as users run it: the command, with everything that makes it safe, which cannot be turned off anyway. */
function sheaf(name: 'sheaf-postgres' | 'sheaf-redis'): Program {
  const usesRedis = name === 'sheaf-redis';
  const run = (args: readonly string[], { database, redis, upstream, concurrency, out }: Place): Command => ({
    file: SHEAF,
    args,
    environment: {
      DATABASE_URL: database,
      SHEAF_ODA_URL: upstream,
      ...(redis === null ? {} : { REDIS_URL: redis }),
      ...(concurrency === null ? {} : { SHEAF_CONCURRENCY: String(concurrency) }),
    },
    directory: out, // where there is no .env
  });
  return {
    name,
    usesRedis,
    prepare: (place) => run(['db', 'migrate'], place),
    harvest: (place) => run(['harvest', 'oda/Sag', '--format', 'ndjson,csv', '--out', place.out, '--json'], place),
    read: (stdout) => {
      const { durationMs, exports, inserted, updated, unchanged, state, reason } = JSON.parse(stdout);
      if (state !== 'complete') throw new Error(`the run is ${state}: ${reason}`);
      const paths = new Map((exports as { format: string; path: string }[]).map(({ format, path }) => [format, path]));
      const counts = { inserted, updated, unchanged };
      return { ownMs: durationMs, counts, ndjson: paths.get('ndjson') ?? '', csv: paths.get('csv') ?? '' };
    },
    table: 'sheaf.records',
    queueSchema: usesRedis ? null : 'bullmq',
  };
}

function byHand(script: string): Program {
  return {
    name: 'by-hand',
    usesRedis: false,
    harvest: (place) => ({
      file: process.execPath,
      args: [script, ...commonArguments(place)],
      directory: ROOT, // it takes the packages of the project that it is run in
    }),
    read: (stdout, { out }) => ({
      ownMs: JSON.parse(stdout).wallMs,
      counts: null,
      ndjson: `${out}/by_hand.ndjson`,
      csv: `${out}/by_hand.csv`,
    }),
    table: 'by_hand_records',
    queueSchema: null,
  };
}

function celery(script: string): Program {
  return {
    name: 'celery',
    usesRedis: true,
    harvest: (place) => ({
      file: PYTHON,
      args: [script, ...commonArguments(place), '--redis', place.redis ?? ''],
      environment: { PYTHONDONTWRITEBYTECODE: '1' }, // the script's folder is not the bench's to write to
      directory: place.out,
    }),
    read: (stdout, { out }) => ({
      ownMs: JSON.parse(stdout).wallMs,
      counts: null,
      ndjson: null, // one JSON array
      csv: `${out}/reference.csv`,
    }),
    table: 'celery_reference',
    queueSchema: null,
  };
}

function commonArguments({ upstream, rows, database, out }: Place): string[] {
  return ['--upstream', upstream, '--entity', 'Sag', '--rows', String(rows), '--database', database, '--out', out];
}

export interface Scripts {
  readonly byHand: string;
  readonly celery: string;
}

/** Those of the named programs that can run here; `leaveOut` is told why the others cannot. */
export function findPrograms(
  names: readonly ProgramName[],
  scripts: Scripts,
  leaveOut: (reason: string) => void,
): Program[] {
  const missing: Readonly<Record<ProgramName, () => string | null>> = {
    'sheaf-postgres': () => null,
    'sheaf-redis': () => (canRun('redis-server', ['--version']) ? null : 'redis-server is not installed'),
    'by-hand': () => (existsSync(scripts.byHand) ? null : `there is no ${scripts.byHand}`),
    celery: () => missingForCelery(scripts.celery),
  };
  const all = [sheaf('sheaf-postgres'), sheaf('sheaf-redis'), byHand(scripts.byHand), celery(scripts.celery)];
  return all.filter(({ name }) => {
    if (!names.includes(name)) return false;
    const reason = missing[name]();
    if (reason !== null) leaveOut(`${name} is left out: ${reason}.`);
    return reason === null;
  });
}

function missingForCelery(script: string): string | null {
  if (!existsSync(script)) return `there is no ${script}`;
  if (!canRun('redis-server', ['--version'])) return 'redis-server is not installed';
  const isThere = canRun(PYTHON, ['-c', 'import celery, redis, aiohttp, psycopg2']);
  return isThere
    ? null
    : `it needs Debian's python3-celery, python3-redis, python3-aiohttp and python3-psycopg2 for ${PYTHON}`;
}

function canRun(file: string, args: readonly string[]): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
