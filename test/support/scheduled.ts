import { registerWorker } from '../../src/db/queries/workers.ts';
import type { Actor } from '../../src/domain/actor.ts';
import type { NewSchedule } from '../../src/domain/schedule.ts';
import { type ScheduleContext, startFirings, takeDueTimes } from '../../src/producer/schedule-runs.ts';
import { createScheduleActions, describeSchedule, findSchedule, scheduleWork } from '../../src/runtime/schedules.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, type FleetOptions, startFleet } from './fleet.ts';
import { range, votes } from './rows.ts';

export const ada: Actor = { name: 'ada', role: 'operator', via: 'api', address: null };

/** A fleet with one schedule, `nightly`, whose time comes when the test says so. */
export interface Scheduled {
  readonly fleet: Fleet;
  readonly actions: ReturnType<typeof createScheduleActions>;
  add(changes?: Partial<NewSchedule>): Promise<void>;
  /** Makes the schedule due, as if its time had come so many seconds ago. */
  due(secondsAgo?: number): Promise<void>;
  /** What a worker does about schedules, once; its runs are planned and not worked. */
  carryOut(): Promise<void>;
  /** A part of the fleet that carries schedules out and holds no lock: it counts as dead whenever somebody asks. */
  carrier(): Promise<ScheduleContext>;
  find(): ReturnType<typeof findSchedule>;
  /** The firings, the oldest first, as `kind state`, with the states of their runs. */
  firings(): Promise<string[]>;
  /** Why the newest firing is as it is. */
  reason(): Promise<string | null | undefined>;
  /** Everything that waits may start now. */
  hurry(): Promise<void>;
}

export async function startScheduled(options: Partial<FleetOptions> = {}): Promise<Scheduled> {
  const twin = options.twin ?? { dataset: inlineData({ Afstemning: votes(range(1, 120)) }) };
  const fleet = await startFleet({ ...options, twin });
  const { context } = fleet;
  const actions = createScheduleActions(context);
  const find = () => findSchedule(context, 'nightly');
  const report = async () => describeSchedule(context, await find());
  const facts = { host: 'here', pid: 1, session: 'test', version: '0', concurrency: 1 };
  const carrier = async (): Promise<ScheduleContext> => ({
    ...scheduleWork(context),
    workerId: await registerWorker(context.database, facts),
    held: new Set(),
    failing: new Map(),
  });
  return {
    fleet,
    actions,
    find,
    carrier,
    add: async (changes = {}) => {
      const requests = [fleet.request('oda/Afstemning', { formats: [] })];
      const rules = { overlap: 'skip', catchUp: 'latest', catchUpWindowMs: 7 * 86_400_000, jitterMs: 0 } as const;
      await actions.add({ name: 'nightly', cron: '30 2 * * *', timeZone: 'UTC', requests, ...rules, ...changes }, ada);
    },
    due: async (secondsAgo = 0) => {
      await context.database.pool.query(
        `update sheaf.schedules set next_at = date_trunc('milliseconds', now()) - $1 * interval '1 second'`,
        [secondsAgo],
      );
    },
    carryOut: async () => {
      const carries = await carrier();
      await takeDueTimes(carries);
      await startFirings(carries, (await find()).id);
    },
    firings: async () =>
      (await report()).firings
        .toReversed()
        .map(({ kind, state, runs }) => [kind, state, ...runs.map((run) => run.state)].join(' ')),
    reason: async () => (await report()).firings[0]?.reason,
    hurry: async () => {
      await context.database.pool.query(`update sheaf.schedule_firings set start_at = now() where state = 'waiting'`);
    },
  };
}
