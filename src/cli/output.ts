import { pipeline } from 'node:stream/promises';

/**
 * A reader that has had enough (`| head`, `2>&1 | grep -m1`) is no error, and does not end what is under way: what is left to
 * say is said to nobody.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
}

/** Data goes to stdout, everything meant for a person watching to stderr. */
export function printData(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  printData(JSON.stringify(value, null, 2));
}

/**
 * Sends chunks to stdout no faster than they are taken. A reader that has had enough (`| head`) ends it, and that is
 * no error.
 */
export async function printChunks(chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
  try {
    await pipeline(chunks, process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
