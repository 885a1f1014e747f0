import type { HarvestRequest, RunKind } from '../../domain/harvest-request.ts';
import type { RunState } from '../../domain/run.ts';
import type { Database } from '../database.ts';

/** A run as it stands in a list: what was planned, how far it is, what came of it. */
export interface RunLine {
  readonly id: string;
  readonly dataset: string;
  readonly kind: RunKind;
  readonly request: HarvestRequest;
  readonly state: RunState;
  readonly reason: string | null;
  readonly expected: number | null;
  readonly createdAt: Date;
  readonly sealedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly slices: number;
  readonly settled: number;
  readonly failed: number;
  readonly pages: number;
  readonly records: number;
  readonly rejects: number;
  readonly retries: number;
  /** The same keys may have come several times; this many are different. Null before verification. */
  readonly distinctKeys: number | null;
}

export interface RunFilter {
  readonly dataset?: string | undefined;
  readonly state?: RunState | undefined;
}

/** Runs, the newest first. */
export async function listRunLines(
  { pool }: Database,
  { dataset, state }: RunFilter,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<RunLine[]> {
  const { rows } = await pool.query<RunLine>(
    `select ${LINE}
     from (select * from sheaf.runs
           where ($1::text is null or dataset = $1) and ($2::text is null or state = $2)
           order by created_at desc, id desc limit $3 offset $4) r
     cross join lateral (${TOTALS}) t
     order by r.created_at desc, r.id desc`,
    [dataset ?? null, state ?? null, limit, offset],
  );
  return rows;
}

/** Runs that have not ended, or ended within the last half minute: what whoever watches the list has to be told of. */
export async function listMovingRuns({ pool }: Database): Promise<RunLine[]> {
  const { rows } = await pool.query<RunLine>(
    `select ${LINE} from sheaf.runs r cross join lateral (${TOTALS}) t
     where r.state in ('planning', 'fetching', 'paused', 'finalising') or r.finished_at > now() - interval '30 seconds'
     order by r.created_at desc, r.id desc limit 100`,
  );
  return rows;
}

/** The datasets that runs were made of, for whoever chooses one. */
export async function datasetsWithRuns({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>('select name from sheaf.datasets order by name');
  return rows.map(({ name }) => name);
}

const LINE = `r.id, r.dataset, r.request, r.state, r.reason, r.created_at as "createdAt", r.sealed_at as "sealedAt",
  r.finished_at as "finishedAt", (r.proof ->> 'distinctKeys')::float8 as "distinctKeys", t.*,
  case when r.ranges is null or t.records + t.rejects <= r.expected then r.expected end as expected, -- as stillExpected
  case when r.ranges is not null then 'repair' when r.time_window is not null then 'step'
       when r.request ->> 'keysOnly' = 'true' then 'keys-only' else 'sweep' end as kind`;

const TOTALS = `select count(*)::int as slices, (count(*) filter (where s.state in ('done', 'failed')))::int as settled,
    (count(*) filter (where s.state = 'failed'))::int as failed, coalesce(sum(s.pages), 0)::float8 as pages,
    coalesce(sum(s.records), 0)::float8 as records, coalesce(sum(s.rejects), 0)::float8 as rejects,
    coalesce(sum(s.retries), 0)::float8 as retries
  from sheaf.slices s where s.run_id = r.id`;
