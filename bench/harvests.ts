import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type RedisServer, startRedisServer } from '../test/faults/redis-server.ts';
import { checkWork } from './check.ts';
import { type Cost, measureCommand, runCommand } from './measure.ts';
import { askDatabase, type Postgres } from './postgres.ts';
import type { Phase, Place, Program, ProgramName } from './programs.ts';
import type { Upstream } from './upstream-process.ts';

/** What one harvest by one program cost. */
export interface Harvested extends Cost {
  readonly program: ProgramName;
  readonly phase: Phase;
  readonly rows: number;
  readonly round: number;
  readonly ownMs: number;
  /** The most that Redis has held in this round, and the tables of the queue; 0 where there are none. */
  readonly redisBytes: number;
  readonly queueBytes: number;
}

export interface Scene {
  readonly postgres: Postgres;
  readonly upstream: Upstream;
  readonly rows: number;
  readonly folder: string;
  readonly concurrency: number | null;
  readonly phases: readonly Phase[];
  /** Stops what is under way. */
  readonly signal: AbortSignal;
}

/** One program's round: an empty database, an empty Redis, and one harvest a phase, each of them checked. */
export async function* runRound(program: Program, scene: Scene, round: number): AsyncGenerator<Harvested> {
  const out = join(scene.folder, 'out');
  await mkdir(out);
  const redis = program.usesRedis ? await startRedisServer(scene.folder) : null;
  try {
    const database = await scene.postgres.fresh('bench');
    const { rows, concurrency } = scene;
    const place: Place = { upstream: scene.upstream.url, rows, database, redis: redis?.url ?? null, out, concurrency };
    if (program.prepare) await runCommand(program.prepare(place), scene.signal);
    for (const phase of scene.phases) {
      // As autovacuum does within a minute: else it falls into one harvest, with a whole copy of the table in the WAL, and
      // not into another, by how long they take.
      if (phase !== scene.phases[0]) await askDatabase(database, 'vacuum (analyze)');
      await scene.upstream.serve(phase === 'changed' ? 'edited' : 'first');
      const each = await harvest(program, place, { scene, redis, phase }).catch((error: unknown) => {
        throw new Error(`${program.name}, ${phase}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      });
      yield { ...each, round };
      await rm(out, { recursive: true }); // the files of several harvests of millions fill a disk
      await mkdir(out);
    }
  } finally {
    await redis?.stop();
    await scene.postgres.drop('bench');
    await rm(out, { recursive: true, force: true });
  }
}

async function harvest(
  program: Program,
  place: Place,
  { scene, redis, phase }: { scene: Scene; redis: RedisServer | null; phase: Phase },
): Promise<Omit<Harvested, 'round'>> {
  const { postgres, upstream } = scene;
  const { stdout, ...cost } = await measureCommand(program.harvest(place), { postgres, redis, upstream }, scene.signal);
  const said = program.read(stdout, place);
  await checkWork(program, place, { phase, said });
  return {
    program: program.name,
    phase,
    rows: place.rows,
    ...cost,
    ownMs: said.ownMs,
    redisBytes: redis === null ? 0 : await redisPeak(redis.url),
    queueBytes: program.queueSchema === null ? 0 : await schemaBytes(place.database, program.queueSchema),
  };
}

async function redisPeak(url: string): Promise<number> {
  const redis = new Redis(url);
  try {
    return Number(/used_memory_peak:(\d+)/.exec(await redis.info('memory'))?.[1] ?? 0);
  } finally {
    redis.disconnect();
  }
}

async function schemaBytes(url: string, schema: string): Promise<number> {
  return askDatabase<number>(
    url,
    `select coalesce(sum(pg_total_relation_size(oid)), 0)::float8
     from pg_class where relkind = 'r' and relnamespace = '${schema}'::regnamespace`,
  );
}
