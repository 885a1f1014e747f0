import { createReadStream } from 'node:fs';
import { askDatabase } from './postgres.ts';
import type { Counts, Phase, Place, Program, Said } from './programs.ts';
import { EDITED_AT, editedOf } from './records.ts';

/** Throws unless the program did the whole work, and no other: what was measured would mean nothing. */
export async function checkWork(program: Program, place: Place, { phase, said }: { phase: Phase; said: Said }) {
  const edited = phase === 'changed' ? editedOf(place.rows) : 0;
  const isEdited = `count(*) filter (where data->>'opdateringsdato' = '${EDITED_AT}')`;
  const select = `select json_build_object('records', count(*), 'edited', ${isEdited}) from ${program.table}`;
  const found = {
    table: await askDatabase<Contents>(place.database, select),
    ...(said.ndjson === null ? {} : { ndjson: await readFile(said.ndjson, 'lines') }),
    csv: await readFile(said.csv, 'csv'),
  };
  const wanted = { records: place.rows, edited };
  for (const [where, { records, edited }] of Object.entries(found))
    if (records !== wanted.records || edited !== wanted.edited)
      throw new Error(
        `${records} records in the ${where}, ${edited} of them as edited, and not ${wanted.records} and ${wanted.edited}`,
      );
  if (said.counts !== null) checkCounts(place.rows, { phase, counts: said.counts });
}

/** Throws unless a program counts what there was to do. */
export function checkCounts(rows: number, { phase, counts }: { phase: Phase; counts: Counts }): void {
  const updated = phase === 'changed' ? editedOf(rows) : 0;
  const wanted = phase === 'cold' ? [rows, 0, 0] : [0, updated, rows - updated];
  const found = [counts.inserted, counts.updated, counts.unchanged];
  if (found.join() !== wanted.join())
    throw new Error(`inserted, updated, unchanged are ${found.join(', ')}, and not ${wanted.join(', ')}`);
}

interface Contents {
  readonly records: number;
  readonly edited: number;
}

const QUOTE = 0x22;
const NEWLINE = 0x0a;

/** Counts lines, in CSV those outside of quotes and without the header, and how often the time of the edit stands there. */
async function readFile(path: string, kind: 'lines' | 'csv'): Promise<Contents> {
  let lines = 0;
  let edited = 0;
  let isQuoted = false;
  let kept = ''; // the time of the edit may stand across two chunks
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at++) {
      if (chunk[at] === QUOTE && kind === 'csv') isQuoted = !isQuoted;
      else if (chunk[at] === NEWLINE && !isQuoted) lines++;
    }
    const text = kept + chunk.toString('latin1');
    edited += text.split(EDITED_AT).length - 1;
    kept = text.slice(1 - EDITED_AT.length);
  }
  return { records: kind === 'csv' ? lines - 1 : lines, edited };
}
