import type { PageBody } from './answer.ts';

/**
 * A row in bytes, for tables too long for a text a row, and for an upstream that shall cost little beside what is measured
 * against it: `start`, ASCII only, tells it from the others, and its other bytes may be shared by many.
 */
export type PackedRow = { readonly start: string; readonly rest: Buffer };

export type RowText = string | PackedRow;

export function rowToText(row: RowText): string {
  return typeof row === 'string' ? row : row.start + row.rest.toString('utf8');
}

/** The bytes of a page, without making a text of them first. */
export function packPage({ head, rows, tail }: PageBody): Buffer {
  const packed = rows.map(packRow);
  const [first, last] = [Buffer.from(head, 'utf8'), Buffer.from(tail, 'utf8')];
  const commas = Math.max(0, rows.length - 1);
  const ofRows = packed.reduce((sum, { start, rest }) => sum + start.length + rest.length, 0);
  const page = Buffer.allocUnsafe(first.length + ofRows + commas + last.length);
  let at = first.copy(page);
  for (const [index, { start, rest }] of packed.entries()) {
    if (index > 0) at = page.writeUInt8(0x2c, at);
    at += page.write(start, at, 'latin1');
    at += rest.copy(page, at);
  }
  last.copy(page, at);
  return page;
}

function packRow(row: RowText): PackedRow {
  return typeof row === 'string' ? { start: '', rest: Buffer.from(row, 'utf8') } : row;
}
