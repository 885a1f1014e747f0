import type { Actor } from './actor.ts';

/** done; refused: it made no sense, or was not allowed; failed: it was attempted, and something went wrong. */
export type AuditOutcome = 'done' | 'refused' | 'failed';

/** What else is worth knowing of an action; never secrets. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** What an action was done to, e.g. a run and its id. */
export interface AuditTarget {
  readonly kind: 'run' | 'dataset' | 'queue' | 'schedule' | 'subscription' | 'database';
  readonly id: string;
}

/** Who an entry speaks of. A null role: somebody who had not signed in. */
export type AuditActor = Omit<Actor, 'role'> & { readonly role: Actor['role'] | null };

/** One line of the audit log: who did, or tried to do, what. */
export interface AuditEntry {
  readonly actor: AuditActor;
  /** In the words of the command line: `start`, `cancel`, `pause`, `resume`, `retry`, `sign-in`, … */
  readonly action: string;
  /** Null where there is none, as for a sign-in. */
  readonly target: AuditTarget | null;
  readonly outcome: AuditOutcome;
  readonly details?: AuditDetails;
}
