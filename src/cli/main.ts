import { Command, CommanderError } from 'commander';
import { SheafError } from '../domain/errors.ts';
import { redact } from '../domain/redact.ts';
import { VERSION } from '../runtime/version.ts';
import { exitCodeFor } from './exit-code.ts';
import { outliveReaders, say } from './output.ts';

/** Adds a command, or several, to the program. */
type Add = (program: Command) => void;

/**
 * What loads each command, by all names that it has, in the order in which a newcomer meets them. Loading all of them takes longer
 * than loading commander; whoever names one waits for that one alone.
 */
const COMMANDS: readonly (readonly [names: readonly string[], load: () => Promise<Add>])[] = [
  [['demo'], async () => (await import('./commands/demo.ts')).addDemo],
  [['harvest'], async () => (await import('./commands/harvest.ts')).addHarvest],
  [['plan'], async () => (await import('./commands/plan.ts')).addPlan],
  [['status'], async () => (await import('./commands/status.ts')).addStatus],
  [['runs'], async () => (await import('./commands/runs.ts')).addRuns],
  [['resume', 'retry'], async () => (await import('./commands/resume.ts')).addResume],
  [['cancel', 'pause'], async () => (await import('./commands/control.ts')).addControl],
  [['rejects'], async () => (await import('./commands/rejects.ts')).addRejects],
  [['changes'], async () => (await import('./commands/changes.ts')).addChanges],
  [['verify'], async () => (await import('./commands/verify.ts')).addVerify],
  [['export'], async () => (await import('./commands/export.ts')).addExport],
  [['sources'], async () => (await import('./commands/sources.ts')).addSources],
  [['schedule'], async () => (await import('./commands/schedule.ts')).addSchedule],
  [['feed'], async () => (await import('./commands/feed.ts')).addFeed],
  [['worker'], async () => (await import('./commands/worker.ts')).addWorker],
  [['serve', 'up'], async () => (await import('./commands/serve.ts')).addServe],
  [['access'], async () => (await import('./commands/access.ts')).addAccess],
  [['db'], async () => (await import('./commands/db.ts')).addDb],
  [['config'], async () => (await import('./commands/config.ts')).addConfig],
  [['doctor'], async () => (await import('./commands/doctor.ts')).addDoctor],
];

/** The command line of Sheaf: with the command of that name alone, or with all of them where there is none. */
export async function createProgram(name?: string): Promise<Command> {
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
  const named = COMMANDS.filter(([names]) => name !== undefined && names.includes(name));
  const wanted = named.length > 0 ? named : COMMANDS;
  for (const add of await Promise.all(wanted.map(([, load]) => load()))) add(program);
  return program;
}

const EXIT_MS = 3_000;

/** Runs one command. Every error ends here: as one line on stderr and an exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  outliveReaders();
  try {
    await (await createProgram(argv[2])).parseAsync([...argv]);
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
