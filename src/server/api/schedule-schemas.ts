import { z } from 'zod';
import { runReport } from '../../domain/report.ts';
import {
  catchUpPolicies,
  firingKinds,
  firingStates,
  JITTER_LIMITS,
  overlapPolicies,
  scheduleDefaults,
  WINDOW_LIMITS,
} from '../../domain/schedule.ts';
import { moment, plainText } from './operation.ts';
import { startRequest } from './run-schemas.ts';

const name = z
  .string()
  .max(100)
  .meta({ description: 'Small letters, digits and hyphens.', examples: ['nightly-votes'] });

export const scheduleParameter = z.object({ schedule: name });

const harvest = startRequest.omit({ dataset: true });

const rules = {
  overlap: z
    .enum(overlapPolicies)
    .meta({ description: 'When its last runs are still under way: leave out, wait, end those, or run beside them.' }),
  catchUp: z
    .enum(catchUpPolicies)
    .meta({ description: 'What is made up for of the times that were due while no worker was there.' }),
  catchUpWindowMs: z
    .int()
    .min(WINDOW_LIMITS.atLeastMs)
    .max(WINDOW_LIMITS.atMostMs)
    .meta({ description: 'What was due longer ago is not made up for.' }),
  jitterMs: z
    .int()
    .min(JITTER_LIMITS.atLeastMs)
    .max(JITTER_LIMITS.atMostMs)
    .meta({ description: 'It starts up to so much later than it is due, by chance.' }),
};

const timetable = {
  cron: plainText.meta({
    description: 'Minute, hour, day of the month, month, day of the week; a sixth field in front is seconds.',
    examples: ['30 2 * * *'],
  }),
  timeZone: plainText.meta({ description: 'The zone that this is read in.', examples: ['Europe/Copenhagen'] }),
};

/** What `POST /api/schedules` takes. */
export const addRequest = z
  .strictObject({
    name,
    cron: timetable.cron,
    timeZone: timetable.timeZone.default(scheduleDefaults.timeZone),
    datasets: z.array(startRequest.shape.dataset).min(1).max(100).meta({ description: 'One run of each, every time.' }),
    overlap: rules.overlap.default(scheduleDefaults.overlap),
    catchUp: rules.catchUp.default(scheduleDefaults.catchUp),
    catchUpWindowMs: rules.catchUpWindowMs.default(scheduleDefaults.catchUpWindowMs),
    jitterMs: rules.jitterMs.default(scheduleDefaults.jitterMs),
    harvest: harvest.prefault({}).meta({ description: 'How each dataset is harvested: as for starting a run.' }),
  })
  .meta({
    id: 'AddSchedule',
    examples: [
      { name: 'nightly-votes', cron: '30 2 * * *', timeZone: 'Europe/Copenhagen', datasets: ['oda/Afstemning'] },
    ],
  });
export type AddRequest = z.infer<typeof addRequest>;

export const firing = z
  .object({
    id: z.int(),
    kind: z.enum(firingKinds),
    dueAt: moment,
    startAt: moment.meta({ description: 'It is not to be started before this: jitter, or the pause before a retry.' }),
    state: z.enum(firingStates),
    failures: z.int().meta({ description: 'Attempts to plan its runs that failed.' }),
    reason: z.string().nullable().meta({ description: 'Why it was skipped, is tried again, or failed.' }),
    settledAt: moment.nullable(),
    runs: z.array(
      z.object({ run: runReport.shape.run, dataset: runReport.shape.dataset, state: runReport.shape.state }),
    ),
  })
  .meta({ id: 'Firing' });

export const scheduleReport = z
  .object({
    name,
    ...timetable,
    datasets: z.array(z.string()),
    asksFor: z
      .string()
      .meta({ description: 'What is asked for of each dataset, in words.', examples: ['step, files ndjson,csv'] }),
    harvest: harvest.required().meta({ description: 'The same as it was asked for, each default filled in.' }),
    ...rules,
    state: z.enum(['active', 'paused', 'over']).meta({ description: '`over`: it will never be due again.' }),
    createdAt: moment,
    error: z
      .string()
      .nullable()
      .meta({ description: 'Why it cannot be told when it is due, so that it does not fire.' }),
    nextTimes: z.array(moment).meta({ description: 'The next three; none while it is paused, or has an error.' }),
    firings: z.array(firing).meta({ description: 'The newest first: twenty of one schedule, one each in the list.' }),
  })
  .meta({ id: 'Schedule' });

export const backfillRequest = z
  .strictObject({
    from: z.iso.datetime({ offset: true }).meta({ description: 'The start of the span, which is included.' }),
    to: z.iso.datetime({ offset: true }).meta({ description: 'Its end, which is not included and must have passed.' }),
    dryRun: z.boolean().default(false).meta({ description: 'Only say what would be fired.' }),
  })
  .meta({ id: 'Backfill', examples: [{ from: '2026-11-01T00:00:00+01:00', to: '2026-11-08T00:00:00+01:00' }] });
