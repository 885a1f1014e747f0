import { createHash, randomBytes } from 'node:crypto';
import { claimKey, type KeyedRequest, planningStateOf, releaseKey } from '../../db/queries/idempotency.ts';
import type { Actor } from '../../domain/actor.ts';
import type { HarvestRequest } from '../../domain/harvest-request.ts';
import { newRunId } from '../../domain/run.ts';
import { RequestError, retryAfter } from '../problem.ts';
import type { ServerContext } from '../server-context.ts';

interface KeyedStart {
  readonly key: string;
  readonly actor: Actor;
  readonly request: HarvestRequest;
}

/**
 * Starts a run once, however often it is asked for with the same key, at once or one after the other, here or at another
 * server, and whether or not a server dies in between. Returns the run's id. Throws a RequestError when the key was
 * given before with another request, or while that is being planned.
 */
export async function startOnce(context: ServerContext, { key, actor, request }: KeyedStart): Promise<string> {
  const { database, runs } = context;
  const keyed: KeyedRequest = { actor: actor.name, key, fingerprint: fingerprintOf(request) };
  const claim = await claimKey(database, keyed, newRunId(new Date(), randomBytes(4)));
  if (claim.kind === 'started') return claim.run;
  if (claim.kind === 'reused') throw reused(key);
  if (claim.kind === 'busy') throw inProgress();
  try {
    return await runs.start(request, actor, claim.run);
  } catch (error) {
    const state = await planningStateOf(database, claim.run).catch(() => 'begun' as const);
    if (state === 'sealed') return claim.run; // it goes on: what could not be enqueued, the reconciler enqueues
    if (state === 'absent') await releaseKey(database, keyed, claim).catch(() => undefined); // else it lapses
    throw error;
  }
}

function fingerprintOf(request: HarvestRequest): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('hex');
}

function reused(key: string): RequestError {
  return new RequestError(
    `The Idempotency-Key "${key}" was given before with another request. Take a new key for each run to start.`,
    { status: 422, code: 'idempotency-key-reused' },
  );
}

function inProgress(): RequestError {
  return new RequestError('The same request is being carried out. Repeat it in a second to get its answer.', {
    status: 409,
    code: 'idempotency-in-progress',
    headers: retryAfter(1),
  });
}
