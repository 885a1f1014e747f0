import { Command, CommanderError } from 'commander';
import { SheafError } from '../domain/errors.ts';
import { redact } from '../domain/redact.ts';
import { VERSION } from '../runtime/version.ts';
import { addAccess } from './commands/access.ts';
import { addChanges } from './commands/changes.ts';
import { addConfig } from './commands/config.ts';
import { addControl } from './commands/control.ts';
import { addDb } from './commands/db.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExport } from './commands/export.ts';
import { addFeed } from './commands/feed.ts';
import { addHarvest } from './commands/harvest.ts';
import { addPlan } from './commands/plan.ts';
import { addRejects } from './commands/rejects.ts';
import { addResume } from './commands/resume.ts';
import { addRuns } from './commands/runs.ts';
import { addSchedule } from './commands/schedule.ts';
import { addServe } from './commands/serve.ts';
import { addSources } from './commands/sources.ts';
import { addStatus } from './commands/status.ts';
import { addVerify } from './commands/verify.ts';
import { addWorker } from './commands/worker.ts';
import { exitCodeFor } from './exit-code.ts';
import { say } from './output.ts';

/** The command line of Sheaf. Commands come in the order in which a newcomer meets them. */
export function createProgram(): Command {
  const program = new Command('sheaf')
    .description(
      'Harvests paginated HTTP APIs in bulk into PostgreSQL and files, and proves that the copy is complete.',
    )
    .usage('<command> [options]')
    .version(VERSION, '-V, --version', 'print the version')
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      '\nStart here:\n  sheaf demo\n  sheaf sources oda\n  sheaf harvest oda/Afstemning\n\nSettings come from the environment and from .env; .env.example lists them.',
    );
  // Subcommands take these over when they are made, so they must be set before.
  program.exitOverride();
  for (const add of [
    addDemo,
    addHarvest,
    addPlan,
    addStatus,
    addRuns,
    addResume,
    addControl,
    addRejects,
    addChanges,
    addVerify,
    addExport,
    addSources,
    addSchedule,
    addFeed,
    addWorker,
    addServe,
    addAccess,
    addDb,
    addConfig,
    addDoctor,
  ]) {
    add(program);
  }
  return program;
}

const EXIT_MS = 3_000;

/** Runs one command. Every error ends here: as one line on stderr and an exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...argv]);
  } catch (error) {
    process.exitCode = exitCodeFor(error);
    if (!(error instanceof CommanderError)) say(`sheaf: ${describe(error)}`);
  }
  // Everything is closed by now. Should a library still hold something open, it must not hold the process.
  setTimeout(() => process.exit(), EXIT_MS).unref();
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return redact(String(error));
  const isExpected = error instanceof SheafError || 'code' in error;
  const text = isExpected || error.stack === undefined ? error.message : error.stack;
  return redact(text || error.name);
}
