import { CommanderError } from 'commander';
import { UsageError } from '../domain/errors.ts';

/** 2 for what was asked wrongly, 1 for what went wrong. `--help` and `--version` are no errors. */
export function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError ? 2 : 1;
}
