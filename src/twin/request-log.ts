import { appendFileSync } from 'node:fs';

/** One request as the twin saw it. */
export type LoggedRequest = {
  readonly method: string;
  /** Path and query, decoded. */
  readonly path: string;
  readonly entity: string | null;
  /** What was sent, or meant to be; 0 when the connection was reset or left hanging before headers. */
  readonly status: number;
  /** Rows sent. */
  readonly rows: number;
  /** The kind of fault that struck, `rate-limit` for a request that was one too many, or null. */
  readonly fault: string | null;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  readonly durationMs: number;
};

export type RequestLog = {
  readonly entries: readonly LoggedRequest[];
  readonly add: (entry: LoggedRequest) => void;
  readonly clear: () => void;
};

/** The newest requests are kept, at most this many; the oldest go by the tenth part. */
const mostEntries = 200_000;

/** A log in memory; with a file, each entry is appended to it as a line of JSON too. An entry is written right after its answer. */
export function createRequestLog(file: string | undefined): RequestLog {
  const entries: LoggedRequest[] = [];
  return {
    entries,
    add: (entry) => {
      if (entries.length >= mostEntries) entries.splice(0, mostEntries / 10);
      entries.push(entry);
      if (file !== undefined) appendFileSync(file, JSON.stringify(entry) + '\n');
    },
    clear: () => {
      entries.length = 0;
    },
  };
}
