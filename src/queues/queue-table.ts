import { z } from 'zod';

/**
 * 0 for a job that is added in the course of things: adding it twice is adding it once. The time in milliseconds for
 * one that a repair adds: an ended job of the same name, which BullMQ keeps for people to see, must not stand in its way.
 */
const round = z.int();

/**
 * Every queue of Sheaf: what its jobs carry. Jobs hold references into the ledger and never a record, so the store's
 * size does not depend on what is harvested.
 */
export const queueTable = {
  'sheaf-slices': z.object({ run: z.string(), slice: z.int(), attempt: z.int(), round }),
  'sheaf-finalise': z.object({ run: z.string(), generation: z.int(), attempt: z.int(), round }),
  'sheaf-schedules': z.object({ schedule: z.int(), round }),
} as const;

export type QueueName = keyof typeof queueTable;
export const queueNames = Object.keys(queueTable) as readonly QueueName[];
export type Payload<Name extends QueueName> = z.output<(typeof queueTable)[Name]>;

/** The id of a payload's job; BullMQ allows no colon in it. */
export function jobIdOf<Name extends QueueName>(payload: Payload<Name>): string {
  return Object.values(payload).join('_');
}

/**
 * Ended jobs that are kept for people to look at, each way of ending. With each job that ends well PostgreSQL goes through those that
 * are kept: a hundred of them cost it 4 ms.
 */
export const KEPT_JOBS = { completed: 25, failed: 500 } as const;
