import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet } from './fleet.ts';
import type { Ledger } from './ledger.ts';
import type { Scenario } from './scenario.ts';
import type { SheafProcess } from './sheaf-process.ts';
import type { SourceRow } from './source-rows.ts';
import { type SuiteLane, withDatabase } from './suite-lane.ts';

/** One run of the suite while it is under way: what the strikes strike, and the checks check. */
export interface Bench {
  readonly lane: SuiteLane;
  readonly scenario: Scenario;
  readonly rows: readonly SourceRow[];
  /** Of the run's own database, past the proxies. */
  readonly databaseUrl: string;
  readonly out: string;
  readonly ledger: Ledger;
  readonly fleet: Fleet;
  /** Planners and operators' commands, besides the fleet. */
  readonly commands: SheafProcess[];
  readonly happened: Happened;
  say(text: string): void;
}

/** What the strikes have done, as far as a check needs to know. */
export interface Happened {
  /** PostgreSQL was crashed: unlogged rows are gone, and slices may be fetched again. */
  postgresCrashes: number;
  /** When the last strike ended. */
  lastStrikeAt: number;
}

const CLOCK = fileURLToPath(new URL('./shift-clock.mjs', import.meta.url));

/** The settings of every process of a run. Time-outs are short, so that a hanging source costs seconds. */
export function environmentOf(
  lane: SuiteLane,
  { database, scenario }: { readonly database: string; readonly scenario: Scenario },
): Record<string, string> {
  return {
    DATABASE_URL: withDatabase(lane.proxies.postgres.url, database),
    REDIS_URL: scenario.engine === 'redis' ? (lane.proxies.redis?.url ?? '') : '',
    SHEAF_ODA_URL: lane.twin.url,
    SHEAF_ODA_RATE: '0',
    SHEAF_LOG_LEVEL: 'info',
    SHEAF_OUT: lane.disk.folder,
    SHEAF_CONNECT_TIMEOUT_MS: '1000',
    SHEAF_HEADERS_TIMEOUT_MS: '1500',
    SHEAF_BODY_TIMEOUT_MS: '2500',
    NODE_COMPILE_CACHE: join(lane.folder, 'compiled'),
    NODE_OPTIONS: `--import ${CLOCK}`,
  };
}

export function clockFile(lane: SuiteLane, worker: number): string {
  return join(lane.folder, `clock-${worker}`);
}
