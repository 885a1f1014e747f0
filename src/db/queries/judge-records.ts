import type pg from 'pg';
import type { NormalisedRecord, RejectedRecord } from '../../domain/record.ts';

/**
 * Asks PostgreSQL about the few records that it might not be able to hold (`\u0000`, lone surrogates, numbers out of
 * range), and turns those that it cannot into rejects: found now, they cost a row; found by the merge, the run.
 */
export async function judge(
  client: pg.Pool | pg.PoolClient,
  records: readonly NormalisedRecord[],
): Promise<{ storable: readonly NormalisedRecord[]; refused: RejectedRecord[] }> {
  const doubtful = records.filter((record) => record.needsCheck);
  if (doubtful.length === 0) return { storable: records, refused: [] };
  const { rows } = await client.query<{ position: number; detail: string }>(
    `select (ordinality - 1)::int as position, concat_ws(': ', info.message, info.detail) as detail
     from unnest($1::text[]) with ordinality as candidate (text, ordinality),
          lateral pg_input_error_info(candidate.text, 'jsonb') as info
     where info.message is not null`,
    [doubtful.map((record) => record.json.toString())],
  );
  const details = new Map(rows.map((row) => [doubtful[row.position], row.detail]));
  const refused = [...details].flatMap(([record, detail]) =>
    record === undefined ? [] : [{ key: record.key, reason: 'not-storable', detail, text: record.json.toString() }],
  );
  return { storable: records.filter((record) => !details.has(record)), refused };
}
