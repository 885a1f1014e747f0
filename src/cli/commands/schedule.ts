import { type Command, Option } from 'commander';
import { parseMoment } from '../../domain/cron.ts';
import { formatDuration, parseDuration } from '../../domain/duration.ts';
import { plural } from '../../domain/numbers.ts';
import {
  type CatchUpPolicy,
  catchUpPolicies,
  JITTER_LIMITS,
  type OverlapPolicy,
  overlapPolicies,
  scheduleDefaults,
  WINDOW_LIMITS,
} from '../../domain/schedule.ts';
import type { SheafContext } from '../../runtime/context.ts';
import type { ScheduleRow } from '../../runtime/schedules.ts';
import { addHarvestOptions, type HarvestFlags, toRequests } from '../harvest-options.ts';
import { printData, printJson, say } from '../output.ts';
import { renderSchedule, renderSchedules, renderTimes } from '../render/schedules.ts';
import { settingsHere, withContext } from '../session.ts';

interface AddFlags extends HarvestFlags {
  readonly cron: string;
  readonly tz: string;
  readonly overlap: OverlapPolicy;
  readonly catchUp: CatchUpPolicy;
  readonly catchUpWindow: string;
  readonly jitter: string;
  readonly json?: boolean;
}

export function addSchedule(program: Command): void {
  const schedule = program
    .command('schedule')
    .summary('harvest at set times')
    .description('Harvests datasets at set times. Schedules are carried out by `sheaf worker` and `sheaf up`.');
  addAdd(schedule);
  schedule
    .command('list')
    .description('Lists schedules: when they are due next, and what came of the last time.')
    .option('--json', 'print them as a JSON array')
    .addHelpText('after', '\nExample:\n  sheaf schedule list')
    .action(list);
  named(schedule, 'show', 'Shows one schedule, with its next times and what came of the latest.')
    .option('--json', 'print it as JSON')
    .action(show);
  named(schedule, 'remove', 'Removes a schedule. Runs that it has started go on, and stay.').action(change('remove'));
  named(schedule, 'pause', 'Pauses a schedule. What would be due during the pause is not made up for.').action(
    change('pause'),
  );
  named(schedule, 'resume', 'Ends the pause of a schedule.').action(change('resume'));
  named(schedule, 'run', 'Fires a schedule now, paused or not; a worker starts its runs.').action(change('run'));
  addBackfill(schedule);
}

function named(schedule: Command, name: string, description: string): Command {
  return schedule
    .command(name)
    .description(description)
    .argument('<name>', 'the name of a schedule')
    .addHelpText('after', `\nExample:\n  sheaf schedule ${name} nightly-votes`);
}

function addAdd(schedule: Command): void {
  const command = schedule
    .command('add')
    .description('Adds a schedule: datasets, and when to harvest them.')
    .argument('<name>', 'its name: small letters, digits and hyphens')
    .argument('<dataset...>', 'what to harvest, as source/entity, e.g. oda/Sag')
    .requiredOption(
      '--cron <expression>',
      "when: minute, hour, day of the month, month, day of the week, e.g. '30 2 * * *'; a sixth field in front is seconds",
    )
    .option('--tz <zone>', 'the time zone that this is read in, e.g. Europe/Copenhagen', scheduleDefaults.timeZone)
    .addOption(
      new Option(
        '--overlap <policy>',
        'when its last runs are still under way: leave out, wait, end those, or run beside',
      )
        .choices(overlapPolicies)
        .default(scheduleDefaults.overlap),
    )
    .addOption(
      new Option('--catch-up <policy>', 'what to make up for of the times when no worker was there')
        .choices(catchUpPolicies)
        .default(scheduleDefaults.catchUp),
    )
    .option(
      '--catch-up-window <duration>',
      'what was due longer ago is not made up for, e.g. 90m, 6h, 2d',
      formatDuration(scheduleDefaults.catchUpWindowMs),
    )
    .option(
      '--jitter <duration>',
      'start up to so much later than due, by chance: spreads the load',
      formatDuration(scheduleDefaults.jitterMs),
    );
  addHarvestOptions(command)
    .option('--json', 'print the schedule as JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  sheaf schedule add nightly-votes --cron '30 2 * * *' --tz Europe/Copenhagen oda/Afstemning oda/Stemme\n  sheaf schedule add hourly-cases --cron '0 * * * *' --overlap queue --jitter 5m oda/Sag --format none",
    )
    .action(add);
}

async function add(name: string, datasets: string[], flags: AddFlags): Promise<void> {
  const settings = await settingsHere();
  const schedule = {
    name,
    cron: flags.cron,
    timeZone: flags.tz,
    requests: toRequests(datasets, flags, settings),
    overlap: flags.overlap,
    catchUp: flags.catchUp,
    catchUpWindowMs: parseDuration(flags.catchUpWindow, WINDOW_LIMITS),
    jitterMs: parseDuration(flags.jitter, JITTER_LIMITS),
  };
  await withContext({ settings, usesQueues: false }, async (context) => {
    const { actions, actor, describeSchedule } = await load(context);
    const report = await describeSchedule(context, await actions.add(schedule, actor));
    if (flags.json) return printJson(report);
    printData(name);
    say(`It is due next:\n${renderTimes(report)}\nA \`sheaf worker\` or \`sheaf up\` must be running then.`);
  });
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { describeSchedules } = await import('../../runtime/schedules.ts');
    const reports = await describeSchedules(context);
    if (json) printJson(reports);
    else if (reports.length === 0) say('There are no schedules yet. Make one with: sheaf schedule add');
    else printData(renderSchedules(reports));
  });
}

async function show(name: string, { json }: { readonly json?: boolean }): Promise<void> {
  await withSchedule(name, async ({ context, schedule, describeSchedule }) => {
    const report = await describeSchedule(context, schedule);
    if (json) printJson(report);
    else printData(renderSchedule(report));
  });
}

const DONE = {
  remove: 'is removed.',
  pause: 'is paused. Go on with: sheaf schedule resume',
  resume: 'goes on.',
  run: 'is fired. See what comes of it with: sheaf schedule show',
} as const;

function change(action: keyof typeof DONE): (name: string) => Promise<void> {
  return (name) =>
    withSchedule(name, async ({ schedule, actions, actor }) => {
      await actions[action](schedule, actor);
      say(`Schedule ${name} ${DONE[action]}${DONE[action].endsWith('.') ? '' : ` ${name}`}`);
    });
}

interface BackfillFlags {
  readonly from: string;
  readonly to: string;
  readonly dryRun?: boolean;
}

function addBackfill(schedule: Command): void {
  const moment = 'a date or a time, in the zone of the schedule: 2026-11-01, 2026-11-01T02:30';
  schedule
    .command('backfill')
    .description('Fires, one after another, what would have been due in a past span.')
    .argument('<name>', 'the name of a schedule')
    .requiredOption('--from <time>', `its start, which is included: ${moment}`)
    .requiredOption('--to <time>', 'its end, which is not included')
    .option('--dry-run', 'say how many times that is, and fire nothing')
    .addHelpText('after', '\nExample:\n  sheaf schedule backfill nightly-votes --from 2026-11-01 --to 2026-11-08')
    .action(backfill);
}

async function backfill(name: string, { from, to, dryRun }: BackfillFlags): Promise<void> {
  await withSchedule(name, async ({ schedule, actions, actor }) => {
    const { timeZone } = schedule;
    const span = { from: parseMoment(from, timeZone), to: parseMoment(to, timeZone), isDryRun: dryRun ?? false };
    const times = await actions.backfill(schedule, span, actor);
    const many = plural(times.length, 'firing');
    say(
      dryRun
        ? `That would be ${many}; nothing was fired.`
        : `${many}, one after another. \`sheaf schedule pause\` ends it.`,
    );
  });
}

async function load(context: SheafContext) {
  const runtime = await import('../../runtime/schedules.ts');
  const { commandLineActor } = await import('../../runtime/audited.ts');
  return { ...runtime, actions: runtime.createScheduleActions(context), actor: commandLineActor() };
}

type Loaded = Awaited<ReturnType<typeof load>>;

/** Does something with a schedule that exists. */
async function withSchedule(
  name: string,
  work: (
    input: Pick<Loaded, 'actor' | 'describeSchedule'> & {
      readonly actions: Loaded['actions'];
      readonly context: SheafContext;
      readonly schedule: ScheduleRow;
    },
  ) => Promise<void>,
): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const loaded = await load(context);
    await work({ ...loaded, context, schedule: await loaded.findSchedule(context, name) });
  });
}
