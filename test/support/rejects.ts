import type { Fleet } from './fleet.ts';

/**
 * Makes of a run's rows what an older version that refused them would have left behind: they are not in the table, and
 * each is a reject, written while the run fetched.
 */
export async function refuseAsBefore(fleet: Fleet, run: string, texts: readonly string[]): Promise<void> {
  const { pool } = fleet.context.database;
  const keys = texts.map((text) => /"id":\s*"?(-?\w+)/.exec(text)?.[1] ?? '');
  await pool.query(
    'delete from sheaf.records where dataset = (select dataset from sheaf.runs where id = $1) and key = any($2::text[])',
    [run, keys],
  );
  await addRejects(fleet, run, texts);
}

/** Rejects of a run, written while it fetched, by a version that refused what this one takes. */
export async function addRejects(fleet: Fleet, run: string, texts: readonly string[]): Promise<void> {
  await fleet.context.database.pool.query(
    `insert into sheaf.rejects (run_id, slice_number, key, reason, detail, record, created_at)
     select $1, 1, null, 'no-key', 'id is missing', t.text, r.sealed_at
     from sheaf.runs r, unnest($2::text[]) with ordinality as t (text, position) where r.id = $1 order by t.position`,
    [run, [...texts]],
  );
}
