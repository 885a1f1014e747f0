import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Bench } from './bench.ts';
import { compareExport, compareTable, type ExportRow } from './compare-content.ts';
import { logOf } from './sheaf-process.ts';
import { wantedRows } from './source-rows.ts';

/** Everything that must hold once a run is complete. Each answer is one thing that does not. */
export async function checkComplete(bench: Bench, run: string): Promise<string[]> {
  const rows = wantedRows(bench.rows, bench.scenario);
  const { request } = bench.scenario;
  const problems = await Promise.all([
    compareTable(bench.ledger, request.select === null ? rows : []),
    checkExports(bench, run),
    checkFinalisations(bench),
    checkLogs(bench),
  ]);
  return problems.flat();
}

async function checkExports(bench: Bench, run: string): Promise<string[]> {
  const { request } = bench.scenario;
  const files = await bench.ledger.query<ExportRow>(
    `select format, path, records::float8 as records, bytes::float8 as bytes, sha256 from sheaf.exports
     where run_id = $1 and generation = (select generation from sheaf.runs where id = $1) order by format`,
    [run],
  );
  const formats = files.map(({ format }) => format).join();
  const wanted = request.formats.toSorted().join();
  if (formats !== wanted) return [`exports: ${wanted} were asked for, and the ledger has ${formats || 'none'}`];
  const rows = wantedRows(bench.rows, bench.scenario);
  return (await Promise.all(files.map((file) => compareExport(file, rows, request.select)))).flat();
}

interface Move {
  readonly run: string;
  readonly was: string;
  readonly state: string;
  readonly generation: number;
  readonly is_merge: boolean;
  /** Staged rows were lost after the merge: it is to be done once more. */
  readonly is_merge_anew: boolean;
  readonly open_slices: number;
}

/** From the audit: a generation is merged once and ends once, begins with every slice settled, and stays ended. */
async function checkFinalisations({ ledger }: Bench): Promise<string[]> {
  const moves = await ledger.query<Move>('select * from faults.run_log order by n');
  const generations = Map.groupBy(moves, ({ run, generation }) => `run ${run}, generation ${generation}`);
  return [...generations].flatMap(([name, all]) => judgeGeneration(all).map((what) => `${name}: ${what}`));
}

function judgeGeneration(moves: readonly Move[]): string[] {
  const into = (state: string) => moves.filter((move) => move.state === state && move.was !== state);
  const refetches = moves.filter(({ was, state }) => was === 'finalising' && state === 'fetching').length;
  const merges = moves.filter((move) => move.is_merge).length;
  const ends = into('complete').length + into('partial').length;
  const early = into('finalising').find(({ open_slices }) => open_slices > 0);
  const problems: string[] = [];
  const mergesAnew = moves.filter((move) => move.is_merge_anew).length;
  if (merges > 1 + mergesAnew) problems.push(`merged ${merges} times`);
  if (ends > 1) problems.push(`ended ${ends} times`);
  if (into('finalising').length > 1 + refetches)
    problems.push(`went to be finalised ${into('finalising').length} times`);
  if (early !== undefined) problems.push(`went to be finalised with ${early.open_slices} slices open`);
  const afterEnd = moves.findIndex(({ state, was }) => ['complete', 'cancelled'].includes(was) && state !== was);
  if (afterEnd >= 0) problems.push(`moved from ${moves[afterEnd]?.was} to ${moves[afterEnd]?.state}`);
  return problems;
}

/** No two processes may say that they have completed the same run, and nothing but a crash may cost staged rows. */
function checkLogs({ fleet, commands, happened }: Bench): string[] {
  const said = [...fleet.processes, ...commands].flatMap((process) =>
    logOf(process).map(({ msg, run, state, what }) => ({ msg, run: String(run), state, what, by: process.name })),
  );
  const completed = said.filter(({ msg, state }) => msg === 'run.state' && state === 'complete');
  const hasLost = said.some(({ msg, what }) => msg === 'reconcile.repaired' && what === 'slices that lost staged rows');
  const problems = [...Map.groupBy(completed, ({ run }) => run)].flatMap(([run, all]) =>
    all.length > 1 ? [`run ${run} was completed ${all.length} times, by ${all.map(({ by }) => by).join(' and ')}`] : [],
  );
  if (hasLost && happened.postgresCrashes === 0) problems.push('staged rows were lost, and PostgreSQL had not crashed');
  return problems;
}

/** What is repaired and cleared away within seconds of a run's end; looked at until nothing is left, or too long. */
export async function checkTidiness({ ledger, out }: Bench, run: string): Promise<string[]> {
  const open = await ledger.query<{ id: string; state: string }>(
    `select id, state from sheaf.runs where id <> $1 and finished_at is null`,
    [run],
  );
  const held = await ledger.query<{ run_id: string; number: number; state: string; holder: string }>(
    `select s.run_id, s.number, s.state,
            case when sheaf.worker_is_alive(s.worker_id) then 'a living worker' else 'a dead worker' end as holder
     from sheaf.slices s join sheaf.runs r on r.id = s.run_id
     where s.state = 'working' and (r.finished_at is not null or not sheaf.worker_is_alive(s.worker_id))
        or s.state = 'pending' and r.state in ('complete', 'partial')`,
  );
  const staging = await ledger.query<{ relname: string }>(
    `select relname from pg_class where relnamespace = 'sheaf'::regnamespace and relname like 'staging\\_%'`,
  );
  return [
    ...open.map(({ id, state }) => `run ${id} is ${state} for ever`),
    ...held.map(
      (each) => `slice ${each.number} of the ended run ${each.run_id} is ${each.state}, held by ${each.holder}`,
    ),
    ...staging.map(({ relname }) => `staging table ${relname} is left`),
    ...(await temporaryFiles(out)).map((name) => `temporary file ${name} is left`),
  ];
}

async function temporaryFiles(out: string): Promise<string[]> {
  if (!existsSync(out)) return [];
  return (await readdir(out, { recursive: true })).filter((name) => name.endsWith('.sheaf-tmp'));
}

/** What processes that have ended may not leave in PostgreSQL. */
export async function checkConnections({ ledger }: Bench): Promise<string[]> {
  const locks = await ledger.query<{ count: number }>(
    `select count(*)::int as count from pg_locks where locktype = 'advisory'
       and database = (select oid from pg_database where datname = current_database())`,
  );
  const sessions = await ledger.query<{ application_name: string; query: string }>(
    `select application_name, left(query, 80) as query from pg_stat_activity
     where datname = current_database() and application_name <> 'suite' and backend_type = 'client backend'`,
  );
  return [
    ...((locks[0]?.count ?? 0) > 0 ? [`${locks[0]?.count} advisory locks are left`] : []),
    ...sessions.map(({ application_name, query }) => `a connection of ${application_name} is left: ${query}`),
  ];
}
