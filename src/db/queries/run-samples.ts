import type { Database } from '../database.ts';

/** What a process has done for a run within a moment. Times in milliseconds. */
export interface RunSample {
  readonly run: string;
  /** How long ago that moment was: the database's clock tells when, since those of the machines disagree. */
  readonly agoMs: number;
  readonly pages: number;
  readonly records: number;
  readonly rejects: number;
  readonly requests: number;
  readonly retries: number;
  readonly fetchMs: number;
  readonly fetchMaxMs: number;
  readonly stageMs: number;
}

/**
 * Adds to the current buckets of runs, by the database's clock. In order of their names, so that two workers that add to
 * the same runs at once wait for each other and do not lock each other out.
 */
export async function addSamples({ pool }: Database, samples: readonly RunSample[]): Promise<void> {
  if (samples.length === 0) return;
  const all = (name: keyof RunSample) => samples.map((sample) => sample[name]);
  await pool.query(
    `insert into sheaf.run_samples as s
       (run_id, at, seconds, pages, records, rejects, requests, retries, fetch_ms, fetch_max_ms, stage_ms)
     select r.id, to_timestamp(floor((extract(epoch from now()) - n.ago_ms / 1000) / b.seconds) * b.seconds) as at, b.seconds,
            sum(n.pages), sum(n.records), sum(n.rejects), sum(n.requests), sum(n.retries), round(sum(n.fetch_ms)),
            round(max(n.fetch_max_ms)), round(sum(n.stage_ms))
     from unnest($1::text[], $2::float8[], $3::int[], $4::bigint[], $5::int[], $6::int[], $7::int[], $8::float8[], $9::float8[], $10::float8[])
            as n (run, ago_ms, pages, records, rejects, requests, retries, fetch_ms, fetch_max_ms, stage_ms)
     join sheaf.runs r on r.id = n.run
     cross join lateral (${BUCKET_SECONDS}) b
     group by r.id, at, b.seconds order by r.id, at
     on conflict (run_id, at) do update
       set seconds = greatest(s.seconds, excluded.seconds), pages = s.pages + excluded.pages,
           records = s.records + excluded.records, rejects = s.rejects + excluded.rejects,
           requests = s.requests + excluded.requests, retries = s.retries + excluded.retries,
           fetch_ms = s.fetch_ms + excluded.fetch_ms, fetch_max_ms = greatest(s.fetch_max_ms, excluded.fetch_max_ms),
           stage_ms = s.stage_ms + excluded.stage_ms`,
    [
      all('run'),
      all('agoMs'),
      all('pages'),
      all('records'),
      all('rejects'),
      all('requests'),
      all('retries'),
      all('fetchMs'),
      all('fetchMaxMs'),
      all('stageMs'),
    ],
  );
}

/** The longer a run has gone on, the longer are its buckets: their number stays bounded, and the chart's shape the same. */
const BUCKET_SECONDS = `select case
    when a.age < interval '8 minutes' then 2
    when a.age < interval '40 minutes' then 10
    when a.age < interval '4 hours' then 60
    when a.age < interval '24 hours' then 300
    when a.age < interval '60 hours' then 900
    else 3600 end as seconds
  from (select now() - r.created_at as age) a`;

/** A stretch of a run, as charts show it. */
export interface ChartPoint {
  readonly at: Date;
  readonly seconds: number;
  readonly pages: number;
  readonly records: number;
  readonly retries: number;
  readonly fetchMs: number;
  readonly fetchMaxMs: number;
}

/**
 * What a run has done over time, from its first page to its last, in at most about `points` equal stretches. Stretches
 * in which nothing came are left out.
 */
export async function readSamples({ pool }: Database, run: string, points: number): Promise<ChartPoint[]> {
  const { rows } = await pool.query<ChartPoint>(
    `with own as (select * from sheaf.run_samples where run_id = $1),
       width as (
         select greatest(max(seconds), ceil(extract(epoch from max(at) - min(at)) / $2 / max(seconds)) * max(seconds))::float8 as seconds
         from own)
     select to_timestamp(floor(extract(epoch from own.at) / width.seconds) * width.seconds) as at, width.seconds,
       sum(pages)::float8 as pages, sum(records)::float8 as records, sum(retries)::float8 as retries,
       sum(fetch_ms)::float8 as "fetchMs", max(fetch_max_ms)::float8 as "fetchMaxMs"
     from own, width group by 1, 2 order by 1`,
    [run, points],
  );
  return rows;
}
