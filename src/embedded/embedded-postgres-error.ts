import { OperatorError } from '../domain/errors.ts';

export type EmbeddedPostgresErrorCode =
  | 'unsupported-platform'
  | 'programs-missing'
  | 'programs-unusable'
  | 'home-unusable'
  | 'disk-full'
  | 'no-unprivileged-user'
  | 'data-incomplete'
  | 'data-owner'
  | 'data-version'
  | 'password-missing'
  | 'initialise-failed'
  | 'start-failed'
  | 'start-timeout'
  | 'stop-timeout';

/** The message is one line: what happened, where, and what to do about it. */
export class EmbeddedPostgresError extends OperatorError {
  declare readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message.replace(/\s*\n\s*/g, ' ').trim(), { code, cause: options?.cause });
  }
}

const REASONS: Record<string, string> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file is in the way',
  ENAMETOOLONG: 'the path is too long',
  ELOOP: 'the path has a loop of symbolic links',
};

/** The SQLSTATE of a server's answer, or the errno of the operating system. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a file system error into one line that names the path; what is already explained passes through. */
export function explainFileError(error: unknown, path: string): unknown {
  if (error instanceof EmbeddedPostgresError) return error;
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(path, error);
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason === undefined) return error;
  return new EmbeddedPostgresError(
    'home-unusable',
    `The embedded PostgreSQL cannot use ${path}: ${reason}; give its folder to the user who runs Sheaf, or set SHEAF_HOME to another folder, or DATABASE_URL to a server.`,
    { cause: error },
  );
}

export function diskFull(path: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'disk-full',
    `No space is left on the disk of ${path} for the embedded PostgreSQL; free some space there, or set SHEAF_HOME to a folder on another disk.`,
    { cause },
  );
}
