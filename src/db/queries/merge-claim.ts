import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { MergeCounts } from '../../domain/proof.ts';
import type { FinaliseClaim } from './runs.ts';

/** The claim of a merge no longer holds: all that it has written is rolled back. */
export class Superseded extends Error {}

/** What the merge of a run came to, null before it is done; undefined when the claim no longer holds. */
export async function readClaimed(
  client: pg.PoolClient,
  claim: FinaliseClaim,
): Promise<{ merge: MergeCounts | null } | undefined> {
  const { rows } = await client.query<{ merge: MergeCounts | null }>(
    `select case when merged_generation = generation then merge end as merge
     from sheaf.runs where id = $1 and attempt = $2 and state = 'finalising'`,
    [claim.run, claim.attempt],
  );
  return rows[0];
}

export interface Waiting {
  readonly claim: FinaliseClaim;
  readonly ready: Promise<unknown> | undefined;
}

/** How often is looked whether the claim still holds. The server ends transactions that are idle for a minute, besides. */
const BEAT_MS = 5_000;

/** Waits for what the merge must not go without, and no longer than its claim holds: others wait for the dataset. */
export async function untilReady(client: pg.PoolClient, { claim, ready = Promise.resolve() }: Waiting): Promise<void> {
  const isReady = ready.then(() => true);
  isReady.catch(() => undefined); // nobody may be waiting for it any more
  for (;;) {
    const ending = new AbortController();
    const beat = sleep(BEAT_MS, false, { signal: ending.signal }).catch(() => false);
    const hasCome = await Promise.race([isReady, beat]).finally(() => ending.abort());
    if (hasCome) return;
    if ((await readClaimed(client, claim)) === undefined) throw new Superseded();
  }
}

/** Before work that may take long: whether the claim still holds, and what is waited for has not failed already. */
export async function stillWanted(client: pg.PoolClient, { claim, ready }: Waiting): Promise<void> {
  await Promise.race([ready, null]);
  if ((await readClaimed(client, claim)) === undefined) throw new Superseded();
}
