import { isReadable, nextAfter } from '../domain/cron.ts';
import type { EngineQueue, EngineScheduler } from './engine.ts';

/** A job scheduler of BullMQ's: adds a job each time that a cron expression is due. */
export interface Scheduler<Data> {
  readonly id: string;
  readonly cron: string;
  readonly timeZone: string;
  /** What its jobs carry. */
  readonly payload: Data;
}

/** How long ago the next job of a scheduler may be due; beyond that it was lost, and nothing would follow it. */
const LATE_MS = 30_000;

/** See `Queues.keepSchedulers`. */
export async function keepSchedulers(queue: EngineQueue, wanted: readonly Scheduler<unknown>[]): Promise<number> {
  const found = (await queue.getJobSchedulers(0, -1, true)).filter((each) => each !== null && each !== undefined);
  const byId = new Map(found.map((each) => [each.key, each]));
  const ids = new Set(wanted.map(({ id }) => id));
  for (const { key } of found) if (!ids.has(key)) await queue.removeJobScheduler(key);
  const lacking = wanted.filter((scheduler) => !isWhole(byId.get(scheduler.id), scheduler) && isReadable(scheduler));
  for (const { id, cron, timeZone, payload } of lacking)
    await queue.upsertJobScheduler(id, { pattern: cron, tz: timeZone }, { name: id, data: payload });
  return lacking.length;
}

function isWhole(found: EngineScheduler | undefined, { cron, timeZone }: Scheduler<unknown>): boolean {
  if (found?.pattern !== cron || found.tz !== timeZone || found.next === undefined) return false;
  return found.next > Date.now() - LATE_MS;
}

/** BullMQ asks this for the next time, in milliseconds; 0 for never, and for what cannot be read here. */
export function repeatStrategy(millis: number, { pattern, tz }: { pattern?: string; tz?: string }): number {
  if (pattern === undefined) return 0;
  const timetable = { cron: pattern, timeZone: tz ?? 'UTC' };
  return isReadable(timetable) ? (nextAfter(timetable, new Date(millis))?.getTime() ?? 0) : 0;
}
