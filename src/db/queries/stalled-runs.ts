import type { Database } from '../database.ts';

/**
 * A run that fetches, and has not staged a page for a while though nothing is known to hold it up; or that nobody
 * finalises.
 */
export interface StalledRun {
  readonly run: string;
  /** How long ago its last page was staged, or its plan sealed. */
  readonly forMs: number;
  readonly waiting: number;
  readonly held: number;
}

/**
 * Finds runs that have made no progress for so many minutes while their source's gate was open. Each is found once in
 * a while only, by whoever of the fleet asks first: it is to be told, not to be repeated.
 */
export async function findStalledRuns({ pool }: Database, minutes: number): Promise<StalledRun[]> {
  const { rows } = await pool.query<StalledRun>(
    `update sheaf.runs r set stalled_at = now()
     from (select s.run_id, max(s.staged_at) as staged_at,
                  count(*) filter (where s.state = 'pending') as waiting,
                  count(*) filter (where s.state = 'working') as held
           from sheaf.slices s join sheaf.runs f on f.id = s.run_id and f.state in ('fetching', 'finalising')
           group by s.run_id) p
     where r.id = p.run_id
       and (r.state = 'fetching'
            or r.state = 'finalising' and (r.finaliser is null or not sheaf.worker_is_alive(r.finaliser)))
       and greatest(p.staged_at, r.sealed_at) < now() - make_interval(mins => $1)
       and (r.stalled_at is null or r.stalled_at < now() - make_interval(mins => $1))
       and not exists (select from sheaf.gates g where g.source = r.request -> 'dataset' ->> 'source'
                       and (g.breaker <> 'closed' or g.closed_until > now()))
     returning r.id as run, p.waiting, p.held,
               (extract(epoch from now() - greatest(p.staged_at, r.sealed_at)) * 1000)::float8 as "forMs"`,
    [minutes],
  );
  return rows;
}
