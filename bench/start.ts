import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startRedisServer } from '../test/faults/redis-server.ts';
import { runCommand } from './measure.ts';
import { median } from './median.ts';
import { askDatabase, type Postgres } from './postgres.ts';
import { type Program, SHEAF } from './programs.ts';
import { markdown } from './report.ts';
import { startUpstream, type Upstream } from './upstream-process.ts';

/** Where Sheaf finds its stores. `embedded`: nowhere, so that it starts a PostgreSQL that was set up before. */
const settings = ['embedded', 'sheaf-postgres', 'sheaf-redis'] as const;
type Setting = (typeof settings)[number];

/** Milliseconds from the start of a command, or null where it cannot be told. */
export interface Started {
  readonly setting: Setting;
  /** When a sweep asked its source for the first time, and when for the first page that it stages. */
  readonly firstRequestMs: number;
  readonly firstPageMs: number;
  /** Of the same sweep, from the end of its run to the end of the process. */
  readonly endMs: number | null;
  /** A whole step that finds nothing. */
  readonly stepMs: number;
  /** `sheaf --help`. */
  readonly helpMs: number;
}

interface Scene {
  readonly postgres: Postgres;
  readonly programs: readonly Program[];
  readonly rows: number;
  readonly rounds: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Starts Sheaf with each setting, `rounds` times, in front of few records: what a harvest costs that fetches next to nothing. */
export async function measureStarts(scene: Scene, onEach: (started: Started) => void): Promise<Started[]> {
  const requestLog = join(scene.folder, 'requests-start');
  await using upstream = await startUpstream({ rows: scene.rows, latencyMs: 0, requestLog });
  const found: Started[] = [];
  const names = scene.programs.map(({ name }) => name);
  for (const setting of settings.filter((each) => each === 'embedded' || names.includes(each))) {
    const redis = setting === 'sheaf-redis' ? await startRedisServer(scene.folder) : null;
    const out = join(scene.folder, 'start');
    await mkdir(out);
    try {
      const database = setting === 'embedded' ? null : await scene.postgres.fresh('bench');
      const environment = environmentOf(upstream, { database, redis: redis?.url ?? null, home: join(out, 'home') });
      const place = { out, environment, database, requestLog, signal: scene.signal };
      if (database !== null) await sheaf(place, ['db', 'migrate']);
      await sheaf(place, HARVEST);
      for (let round = 0; round < scene.rounds; round++) {
        found.push(await measureOnce(setting, place));
        onEach(found.at(-1) as Started);
      }
    } finally {
      await redis?.stop();
      await rm(out, { recursive: true, force: true });
    }
  }
  return found;
}

const HARVEST = ['harvest', 'oda/Sag', '--format', 'ndjson,csv', '--out', 'files', '--json'];

interface Place {
  readonly out: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly database: string | null;
  readonly requestLog: string;
  readonly signal: AbortSignal;
}

function environmentOf(
  { url }: Upstream,
  { database, redis, home }: { database: string | null; redis: string | null; home: string },
): Readonly<Record<string, string>> {
  const stores = {
    ...(database === null ? { SHEAF_HOME: home } : { DATABASE_URL: database }),
    ...(redis === null ? {} : { REDIS_URL: redis }),
  };
  return { SHEAF_ODA_URL: url, ...stores };
}

/** Runs a command, and answers when it began and ended, as Unix time in milliseconds. */
async function sheaf({ out, environment, signal }: Place, args: readonly string[]) {
  const startedAt = Date.now();
  await runCommand({ file: SHEAF, args, environment, directory: out }, signal);
  return { startedAt, endedAt: Date.now() };
}

async function measureOnce(setting: Setting, place: Place): Promise<Started> {
  const help = await sheaf(place, ['--help']);
  const sweep = await sheaf(place, HARVEST);
  const finishedAt = place.database === null ? null : await askDatabase<Date>(place.database, LAST_END);
  const requests = await requestsSince(place.requestLog, sweep.startedAt);
  const step = await sheaf(place, [...HARVEST, '--step']);
  return {
    setting,
    firstRequestMs: (requests[0]?.startedAt ?? Number.NaN) - sweep.startedAt,
    firstPageMs: (requests.find(({ path }) => path.includes(' le '))?.startedAt ?? Number.NaN) - sweep.startedAt,
    endMs: finishedAt === null ? null : sweep.endedAt - finishedAt.getTime(),
    stepMs: step.endedAt - step.startedAt,
    helpMs: help.endedAt - help.startedAt,
  };
}

const LAST_END = 'select max(finished_at) from sheaf.runs';

interface Asked {
  readonly path: string;
  readonly startedAt: number;
}

async function requestsSince(requestLog: string, from: number): Promise<Asked[]> {
  const lines = (await readFile(requestLog, 'utf8')).split('\n').filter((line) => line !== '');
  const asked = lines.map((line) => JSON.parse(line) as Asked).filter(({ startedAt }) => startedAt >= from);
  return asked.toSorted((a, b) => a.startedAt - b.startedAt);
}

/** Medians, in milliseconds. */
export function renderStarts(started: readonly Started[]): string {
  const lines = [...Map.groupBy(started, ({ setting }) => setting)].map(([setting, each]) => {
    const middle = (of: (one: Started) => number) => String(Math.round(median(each.map(of))));
    const ends = each.flatMap(({ endMs }) => (endMs === null ? [] : [endMs]));
    return [
      setting,
      middle(({ helpMs }) => helpMs),
      middle(({ firstRequestMs }) => firstRequestMs),
      middle(({ firstPageMs }) => firstPageMs),
      ends.length === 0 ? '' : String(Math.round(median(ends))),
      middle(({ stepMs }) => stepMs),
    ];
  });
  const head = ['ms', '--help', 'first request', 'first page', 'from the end of the run', 'a step that finds nothing'];
  return markdown(head, lines);
}

export function renderStart({ setting, firstPageMs, stepMs }: Started): string {
  return `${setting}: first page after ${firstPageMs} ms, an empty step in ${stepMs} ms`;
}
