import { clusteredIds } from '../../src/twin/generated-ids.ts';
import { createRandom } from './random.ts';
import type { Scenario } from './scenario.ts';

/** A row as the source holds it. `bigint` for numbers that a double cannot hold. */
export type SourceRow = Readonly<Record<string, string | number | bigint | boolean | null>> & { readonly id: number };

export const ENTITY = 'Afstemning';
export const DATASET = `oda/${ENTITY}`;

/** The rows of a scenario's source: ids unevenly spread, many rows with one time, texts that are hard to write down. */
export function sourceRows({ seed, rows, density }: Scenario): SourceRow[] {
  const random = createRandom(seed * 7 + 1);
  const ids = clusteredIds(random.next, rows, density);
  let time = Date.UTC(2014, 8, 5, 9, 5, 59, 653);
  return ids.map((id) => {
    if (!random.chance(0.6)) time += random.between(1, 86_400_000); // else a tie, some of them longer than a page
    return {
      id,
      nummer: random.chance(0.01) ? 9_007_199_254_740_993n + BigInt(id) : random.between(-5, 2_000_000_000),
      konklusion: random.chance(0.2) ? null : conclusion(random.between(0, 9), id),
      vedtaget: random.chance(0.5),
      kommentar: random.pick([null, '', 'En kommentar, med komma', '"citat"']),
      mødeid: random.between(1, 400),
      typeid: random.between(1, 4),
      sagstrinid: random.chance(0.1) ? null : random.between(1, 200_000),
      opdateringsdato: new Date(time).toISOString().slice(0, -1),
    };
  });
}

function conclusion(variant: number, id: number): string {
  return [
    `Vedtaget ${id}`,
    `Vedtaget\n\nFor stemte ${id} "æøå"; imod stemte ingen`,
    `tab\there, backslash \\ and \\N, ${'x'.repeat(id % 300)}`,
    '\u2028 \u{1f33e} = +1, ;',
    `Forkastet\r\n${'ø'.repeat(id % 50)}`,
  ][variant % 5] as string;
}

/** The row's JSON text, byte for byte as the source serves it. */
export function rowText(row: SourceRow): string {
  const parts = Object.entries(row).map(([name, value]) => {
    return `${JSON.stringify(name)}:${typeof value === 'bigint' ? value.toString() : JSON.stringify(value)}`;
  });
  return `{${parts.join(',')}}`;
}

/** The rows that a scenario's request asks for. */
export function wantedRows(rows: readonly SourceRow[], { request }: Scenario): SourceRow[] {
  return rows.filter((row) => request.typeid === null || row['typeid'] === request.typeid);
}
