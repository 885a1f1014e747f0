import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** Sends rows of text columns with COPY. One chunk a row costs three times as much as chunks of this size. */
const CHUNK_CHARACTERS = 64 * 1024;

const SPECIAL = /[\\\n\r\t]/;
const SPECIALS = /[\\\n\r\t]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A value as COPY's text format wants it; null is `\N`. */
export function copyText(value: string | null): string {
  if (value === null) return '\\N';
  return SPECIAL.test(value) ? value.replace(SPECIALS, (character) => ESCAPES[character] ?? character) : value;
}

/**
 * Runs `copy … from stdin` with lines that are already in COPY's text format, each with its line end. Resolves when
 * PostgreSQL has taken all of them; rejects with its error otherwise. The connection stays usable either way.
 */
export async function copyRows(client: pg.PoolClient, statement: string, lines: Iterable<string>): Promise<void> {
  const stream = client.query(copyFrom(statement));
  const finished = new Promise<void>((resolve, reject) => stream.once('finish', resolve).once('error', reject));
  finished.catch(() => undefined); // awaited below; a failure before that must not count as unhandled
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), finished]);
    chunk = '';
  }
  stream.end(chunk);
  await finished;
}
