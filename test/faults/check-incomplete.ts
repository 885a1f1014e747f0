import type { Armed } from './arm-strikes.ts';
import type { Bench } from './bench.ts';
import { compareTable } from './compare-content.ts';
import type { StrikeKind } from './scenario.ts';
import { DATASET, wantedRows } from './source-rows.ts';

/** Strikes after which a run may end otherwise than complete, because the policy says so. */
const excuses: readonly StrikeKind[] = ['twin-faults', 'twin-outage', 'fill-disk', 'kill-worker'];

interface EndedRun {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly merged: boolean;
  readonly distinct_keys: number | null;
  readonly failed: number;
  readonly said_failed: number | null;
  readonly generation: number;
}

/** Whether a run that ended partial or failed had a reason to, and says precisely what is missing. */
export async function checkIncomplete(bench: Bench, run: string, armed: Armed): Promise<string[]> {
  const [row] = await bench.ledger.query<EndedRun>(
    `select id, state, reason, merged_generation = generation as merged, generation,
            (proof->>'distinctKeys')::int as distinct_keys, (proof->>'failedSlices')::int as said_failed,
            (select count(*)::int from sheaf.slices s where s.run_id = r.id and s.state = 'failed') as failed
     from sheaf.runs r where id = $1`,
    [run],
  );
  if (row === undefined) return [`run ${run} is not in the ledger any more`];
  const problems: string[] = [];
  if (!armed.begun.some((kind) => excuses.includes(kind))) {
    problems.push(`the run ended ${row.state} although nothing that struck is a reason: ${row.reason}`);
  }
  if (row.reason === null || row.reason === '') problems.push(`the run ended ${row.state} without a reason`);
  const content = row.state === 'partial' ? await checkPartial(bench, row) : await checkFailed(bench, row);
  return [...problems, ...content];
}

/** A partial run says how many slices failed, and the table holds as many rows as it says, each as the source has it. */
async function checkPartial(bench: Bench, run: EndedRun): Promise<string[]> {
  if (run.failed !== run.said_failed) {
    return [`the run says that ${run.said_failed} slices failed, and ${run.failed} did`];
  }
  if (bench.scenario.request.select !== null) return [];
  const there = await keysThere(bench);
  const rows = wantedRows(bench.rows, bench.scenario).filter(({ id }) => there.has(String(id)));
  const isCounted = there.size === run.distinct_keys;
  return [
    ...(isCounted ? [] : [`the run says that it has ${run.distinct_keys} records, and the table has ${there.size}`]),
    ...(await compareTable(bench.ledger, rows)),
  ];
}

/** A run that failed has published nothing, unless it failed after its merge, while files were being put in place. */
async function checkFailed(bench: Bench, run: EndedRun): Promise<string[]> {
  if (run.merged || run.generation > 1) return [];
  const there = await keysThere(bench);
  return there.size === 0 ? [] : [`the run failed before its merge, and the table has ${there.size} rows`];
}

async function keysThere({ ledger }: Bench): Promise<Set<string>> {
  const rows = await ledger.query<{ key: string }>(
    'select key from sheaf.records where dataset = $1 and deleted_at is null',
    [DATASET],
  );
  return new Set(rows.map(({ key }) => key));
}
