/** Why a query cannot be answered; only `unknown-field` may be forgiven, by `Behaviour.invalidFilter`. */
export type BadQueryReason = 'syntax' | 'unknown-field' | 'type' | 'too-many-nodes' | 'option';

/** A query the server answers with 400. */
export class BadQuery extends Error {
  readonly reason: BadQueryReason;

  constructor(reason: BadQueryReason, message: string) {
    super(message);
    this.name = 'BadQuery';
    this.reason = reason;
  }
}
