export type EmbeddedPostgresErrorCode =
  | 'unsupported_platform'
  | 'programs_missing'
  | 'programs_unusable'
  | 'home_unusable'
  | 'disk_full'
  | 'no_unprivileged_user'
  | 'data_incomplete'
  | 'data_owner'
  | 'data_version'
  | 'password_missing'
  | 'initialise_failed'
  | 'start_failed'
  | 'start_timeout'
  | 'stop_timeout';

/** The message is one line: what happened, where, and what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message.replace(/\s*\n\s*/g, ' ').trim(), options);
    this.code = code;
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
    'home_unusable',
    `The embedded PostgreSQL cannot use ${path}: ${reason}; give its folder to the user who runs Sheaf, or set SHEAF_HOME to another folder, or DATABASE_URL to a server.`,
    { cause: error },
  );
}

export function diskFull(path: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'disk_full',
    `No space is left on the disk of ${path} for the embedded PostgreSQL; free some space there, or set SHEAF_HOME to a folder on another disk.`,
    { cause },
  );
}
