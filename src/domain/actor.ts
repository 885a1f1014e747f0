export const roles = ['viewer', 'operator'] as const;
/** A viewer reads; an operator also starts, steers and ends runs. */
export type Role = (typeof roles)[number];

/** Who does something, for the audit log and for what they may do. */
export interface Actor {
  /** The name in the configuration; `local` where nobody had to sign in, `user@host` on the command line. */
  readonly name: string;
  readonly role: Role;
  readonly via: 'api' | 'page' | 'board' | 'cli' | 'schedule';
  /** Where a request came from; null where there was none. */
  readonly address: string | null;
}
