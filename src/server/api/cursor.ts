import type { z } from 'zod';
import { RequestError } from '../problem.ts';

/** Writes a position down so that clients hand it back and do not make one up. */
export function toCursor(position: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Reads a position; null for none. Throws a RequestError for anything that `toCursor` has not written. */
export function fromCursor<T>(cursor: string | undefined, schema: z.ZodType<T>): T | null {
  if (cursor === undefined) return null;
  const parsed = schema.safeParse(readJson(Buffer.from(cursor, 'base64url').toString()));
  if (parsed.success) return parsed.data;
  throw new RequestError('That is not a cursor of this list. Take `next` of the page before, as it is.', {
    status: 400,
    code: 'bad-cursor',
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A page of at most `limit` items out of `limit + 1` that were read, and the cursor of the next. */
export function toPage<T>(
  rows: readonly T[],
  limit: number,
  positionOf: (row: T) => readonly unknown[],
): { readonly items: readonly T[]; readonly next: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? toCursor(positionOf(last)) : null };
}
