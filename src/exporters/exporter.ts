import { SheafError } from '../domain/errors.ts';
import type { ExportFormat } from '../domain/harvest-request.ts';
import type { RecordLines } from '../domain/record-lines.ts';

/**
 * What an exporter is.
 *
 * An exporter turns a stream of records into the bytes of one file, and knows nothing of files: it says what stands before the first record, what a batch of
 * records looks like, and what stands after the last. Being a plain function of its records, it needs no backpressure, no errors of disks and no clean-up:
 * `writeExports` has these once for all formats. A format that works in blocks (a columnar one, say) keeps records back in `encode` and gives them in `end`.
 *
 * Records come as lines: the bytes of each one's own JSON. A format that is JSON copies them, and so loses nothing; any other can have a record's fields of
 * `parseFields`, with numbers that a double cannot hold kept as raw numbers (`domain/json-text.ts`).
 *
 * To add a format: implement `Exporter` in a file of its own, add its name to `exportFormats` in `domain/harvest-request.ts` and itself to the table in `write-export.ts`, and let the
 * conformance suite (`test/exporters/conformance.test.ts`) read it back.
 */

/** A record's fields, as JSON values. */
export type Fields = Record<string, unknown>;

/** Text is written as UTF-8. */
export type Chunk = string | Uint8Array;

/** Encodes the records of one file. Called in this order: `begin` once, `encode` any number of times, `end` once. What one call gives holds until the next. */
export interface RecordEncoder {
  begin(): Chunk;
  /** Throws `BadRecord` for what is not a record. */
  encode(records: RecordLines): Chunk;
  end(): Chunk;
}

export interface Exporter {
  readonly format: ExportFormat;
  /** Of the file's name, without the dot. */
  readonly extension: string;
  /** Starts one file. `columns` says what fields a table has, in order; formats without columns ignore it. */
  open(columns: readonly string[]): RecordEncoder;
}

/**
 * disk-full: no space, quota or allowed file size left. not-permitted: the user may not write there, or the file system is read-only. not-a-directory: a file is
 * in the way. aborted: the signal said so. bad-record: a record is not a JSON object, or could not be shaped. records-failed: the stream of records itself threw;
 * `cause` is what it threw. bad-request: the caller asked for something that cannot be written. io-failed: everything else.
 */
export type ExportErrorCode =
  | 'disk-full'
  | 'not-permitted'
  | 'not-a-directory'
  | 'aborted'
  | 'bad-record'
  | 'records-failed'
  | 'bad-request'
  | 'io-failed';

/** Nothing was published, and nothing is left behind, when an export ends with this. */
export class ExportError extends SheafError {
  declare readonly code: ExportErrorCode;
  /** The file, or the directory, that could not be written. */
  readonly path: string;

  constructor(message: string, { code, path, cause }: { code: ExportErrorCode; path: string; cause?: unknown }) {
    super(message, { code, facts: { path }, cause });
    this.path = path;
  }
}

/** One of the records that were given is none, or cannot be shaped; the cause is why. */
export class BadRecord extends Error {
  /** Its place among them, from 0. */
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.index = index;
  }
}

const codesBySystemError: Readonly<Record<string, ExportErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EFBIG: 'disk-full',
  EACCES: 'not-permitted',
  EPERM: 'not-permitted',
  EROFS: 'not-permitted',
  ENOTDIR: 'not-a-directory',
  EEXIST: 'not-a-directory',
};

const advice = {
  'disk-full': 'Free some space, or choose another directory.',
  'not-permitted': 'Give this user the right to write there, or choose another directory.',
  'not-a-directory': 'A file is in the way of the directory: move it, or choose another directory.',
  'io-failed': 'Look at the cause, and try again.',
} as const;

/** Says of a file system's error what could not be done (`doing` completes "could not …"), where, and what to do about it. An `ExportError` stays as it is. */
export function toFileError(error: unknown, doing: string, path: string): ExportError {
  if (error instanceof ExportError) return error;
  const systemCode = (error as NodeJS.ErrnoException | undefined)?.code;
  const code = codesBySystemError[systemCode ?? ''] ?? 'io-failed';
  const help = advice[code as keyof typeof advice];
  const reason = error instanceof Error ? error.message : String(error);
  return new ExportError(`Could not ${doing} ${path}: ${reason}. ${help}`, { code, path, cause: error });
}
