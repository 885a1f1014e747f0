import { createHash } from 'node:crypto';
import { nextAfter, nextTimes, type Timetable, timesUpTo } from './cron.ts';
import { GateClosedError, PermanentError, TransientError, UsageError } from './errors.ts';
import type { HarvestRequest } from './harvest-request.ts';
import type { RetryDecision, RetryPolicy } from './retry-policy.ts';

export const overlapPolicies = ['skip', 'queue', 'cancel', 'allow'] as const;
/**
 * What a firing does that is due while runs of an earlier one are still under way: `skip` leaves it out, `queue` starts it
 * when those have ended (one at most waits), `cancel` cancels those, `allow` starts it beside them.
 */
export type OverlapPolicy = (typeof overlapPolicies)[number];

export const catchUpPolicies = ['none', 'latest', 'all'] as const;
/** What is made up for of the times that were due while no worker was there: nothing, the latest, or all of them. */
export type CatchUpPolicy = (typeof catchUpPolicies)[number];

export const firingKinds = ['cron', 'catch-up', 'manual', 'backfill'] as const;
export type FiringKind = (typeof firingKinds)[number];

export const firingStates = ['waiting', 'starting', 'started', 'skipped', 'failed'] as const;
/** See the migration 0007 and docs/states.md. */
export type FiringState = (typeof firingStates)[number];

/** When a firing was carried out, or is to be: what is made up for was due long before. */
export function ranAt(firing: { readonly settledAt: Date | null; readonly startAt: Date }): Date {
  return firing.settledAt ?? firing.startAt;
}

export interface ScheduleRules {
  readonly overlap: OverlapPolicy;
  readonly catchUp: CatchUpPolicy;
  /** What was due longer ago than this is not caught up with. */
  readonly catchUpWindowMs: number;
  /** A firing starts up to so much later than it is due. */
  readonly jitterMs: number;
}

/** A schedule as it is asked for. */
export interface NewSchedule extends Timetable, ScheduleRules {
  readonly name: string;
  /** What is harvested each time; at least one. */
  readonly requests: readonly HarvestRequest[];
}

const HOUR_MS = 3_600_000;
export const scheduleDefaults: ScheduleRules & Pick<Timetable, 'timeZone'> = {
  timeZone: 'UTC',
  overlap: 'skip',
  catchUp: 'latest',
  catchUpWindowMs: 24 * HOUR_MS,
  jitterMs: 0,
};

export const JITTER_LIMITS = { atLeastMs: 0, atMostMs: 24 * HOUR_MS } as const;
export const WINDOW_LIMITS = { atLeastMs: 60_000, atMostMs: 366 * 24 * HOUR_MS } as const;

/** Throws a UsageError unless the name can be one: it stands in commands, in URLs and in job ids. */
export function checkScheduleName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return name;
  throw new UsageError(
    `"${name}" cannot be the name of a schedule. Take small letters, digits and hyphens, 63 at most, e.g. nightly-votes.`,
    { code: 'bad-schedule-name', facts: { asked: name } },
  );
}

/** Throws a UsageError when firings of a schedule would be shuffled: jitter must stay below the time between two of them. */
export function checkJitter(timetable: Timetable, jitterMs: number, now: Date): void {
  const times = nextTimes(timetable, now, 10);
  const gaps = times.slice(1).map((time, position) => time.getTime() - (times[position]?.getTime() ?? 0));
  const shortest = Math.min(...gaps);
  if (jitterMs < shortest) return;
  throw new UsageError(
    `A jitter of ${jitterMs / 1_000} s is too long for "${timetable.cron}", which is due every ${shortest / 1_000} s. Choose a shorter one.`,
    { code: 'bad-jitter', facts: { jitterMs } },
  );
}

/** A due time that is this late, and the latest one, is still on time: workers look every few seconds. */
const ON_TIME_MS = 60_000;
/** Firings that are caught up with at most; a longer absence leaves out the oldest. */
export const MAX_CATCH_UP = 100;
/** Due times in the past are counted up to this. */
const MAX_COUNTED = 1_000;

export interface DueDecision {
  /** What is to be fired, the oldest first. */
  readonly firings: readonly { readonly dueAt: Date; readonly kind: 'cron' | 'catch-up' }[];
  /** What was due and is left out; null when nothing was. */
  readonly missed: { readonly dueAt: Date; readonly reason: string } | null;
  readonly nextAt: Date | null;
}

type DueSchedule = Timetable & Pick<ScheduleRules, 'catchUp' | 'catchUpWindowMs'> & { readonly nextAt: Date };

/** What becomes of the times that have come due since the schedule was last looked at. `nextAt` must not be after `now`. */
export function decideDue(schedule: DueSchedule, now: Date): DueDecision {
  const nextAt = nextAfter(schedule, now);
  const due = dueTimes(schedule, now);
  const isOnTime = now.getTime() - (due.at(-1)?.getTime() ?? 0) <= ON_TIME_MS;
  const onTime = isOnTime ? due.slice(-1) : [];
  const late = isOnTime ? due.slice(0, -1) : due;
  const caught = isOnTime && schedule.catchUp !== 'all' ? [] : catchUp(schedule, late, now);
  const missed = late.filter((time) => !caught.includes(time));
  return {
    firings: [
      ...caught.map((dueAt) => ({ dueAt, kind: 'catch-up' as const })),
      ...onTime.map((dueAt) => ({ dueAt, kind: 'cron' as const })),
    ],
    missed: describeMissed(schedule, missed, due.length >= MAX_COUNTED),
    nextAt,
  };
}

function dueTimes(schedule: DueSchedule, now: Date): Date[] {
  const following = nextAfter(schedule, schedule.nextAt);
  if (following === null || following > now) return [schedule.nextAt];
  const times = timesUpTo(schedule, { from: following, upto: now, count: MAX_COUNTED });
  return times.length < MAX_COUNTED ? [schedule.nextAt, ...times] : times;
}

function catchUp({ catchUp: policy, catchUpWindowMs }: DueSchedule, late: readonly Date[], now: Date): readonly Date[] {
  if (policy === 'none') return [];
  const inWindow = late.filter((time) => now.getTime() - time.getTime() <= catchUpWindowMs);
  return inWindow.slice(policy === 'latest' ? -1 : -MAX_CATCH_UP);
}

function describeMissed(
  { catchUp: policy }: DueSchedule,
  missed: readonly Date[],
  isMore: boolean,
): DueDecision['missed'] {
  const last = missed.at(-1);
  if (last === undefined) return null;
  const many = isMore ? `${missed.length} times or more were` : `${missed.length} times were`;
  const times = missed.length === 1 ? 'it was' : `${many}`;
  return { dueAt: last, reason: `${times} due while no worker was there; not caught up with (catch-up ${policy})` };
}

/** How much later than due a firing starts: the same for the same firing, whoever asks, and evenly spread. */
export function jitterOf({ id, jitterMs }: { id: number; jitterMs: number }, dueAt: Date): number {
  if (jitterMs === 0) return 0;
  const chance = createHash('sha256').update(`${id} ${dueAt.getTime()}`).digest().readUInt32BE() / 2 ** 32;
  return Math.floor(chance * jitterMs);
}

/** A firing that could start now. */
export interface Startable {
  readonly id: number;
  readonly kind: FiringKind;
}

/** What is under way of a schedule. */
export interface UnderWay {
  /** Runs that have not ended. */
  readonly runs: readonly { readonly firing: number; readonly run: string }[];
  /** Firings whose runs are being planned. */
  readonly starting: readonly number[];
}

export type StartDecision =
  | { readonly kind: 'none' }
  | { readonly kind: 'start'; readonly firing: number }
  | { readonly kind: 'cancel'; readonly runs: readonly string[] }
  | { readonly kind: 'skip'; readonly firing: number; readonly reason: string };

/**
 * What is to be done first about the firings that could start now, those that wait for nobody before the others. What is
 * caught up with and what fills a gap goes one after another, whatever the policy says of those that are due now.
 */
export function decideStart(
  overlap: OverlapPolicy,
  startable: readonly Startable[],
  underWay: UnderWay,
): StartDecision {
  let isOneWaiting = false;
  for (const { id, kind } of startable) {
    const runs = underWay.runs.filter(({ firing }) => firing !== id);
    const isStarting = underWay.starting.some((firing) => firing !== id);
    const isFree = runs.length === 0 && !isStarting;
    const goesInTurn = kind === 'catch-up' || kind === 'backfill';
    if (isFree || (overlap === 'allow' && !goesInTurn)) return { kind: 'start', firing: id };
    if (goesInTurn) continue;
    if (overlap === 'skip') return { kind: 'skip', firing: id, reason: describeBusy(runs) };
    if (overlap === 'cancel' && !isStarting) return { kind: 'cancel', runs: runs.map(({ run }) => run) };
    if (overlap === 'queue' && isOneWaiting) return { kind: 'skip', firing: id, reason: 'another waits already' };
    isOneWaiting = true;
  }
  return { kind: 'none' };
}

function describeBusy(runs: UnderWay['runs']): string {
  const [first] = runs;
  return first === undefined ? 'an earlier one is being planned' : `run ${first.run} is still under way`;
}

/** For planning the runs of a firing: 45 minutes at most in all. */
export const firingRetryPolicy: RetryPolicy = { maxAttempts: 8, baseDelayMs: 30_000, maxDelayMs: 15 * 60_000 };

/** Whether the runs of a firing are planned again after this error, and after how long; half of the pause is chance. */
export function decideFiringRetry(
  error: unknown,
  { attempt, now, random }: { readonly attempt: number; readonly now: Date; readonly random: number },
): RetryDecision {
  const { maxAttempts, baseDelayMs, maxDelayMs } = firingRetryPolicy;
  const isFinal = error instanceof UsageError || error instanceof PermanentError;
  if (isFinal || attempt >= maxAttempts) return { kind: 'give-up' };
  const bound = Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
  const delayMs = Math.round(bound * (0.5 + random / 2));
  return { kind: 'retry', delayMs: Math.max(delayMs, askedPauseMs(error, now)) };
}

function askedPauseMs(error: unknown, now: Date): number {
  if (error instanceof GateClosedError) return error.waitMs;
  if (error instanceof TransientError && error.retryAt !== null) return error.retryAt.getTime() - now.getTime();
  return 0;
}
