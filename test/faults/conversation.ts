/** A statement or command that changes the store. */
export interface Write {
  readonly statement: string;
  /** True: it changes something only at the end of a transaction; false: only outside of one. */
  readonly isCommit: boolean;
}

/** What a wire tells of the requests it has read. A round is what one ReadyForQuery, or one reply, answers. */
export interface Rounds {
  begin(): void;
  /** A write of the round that was begun last. */
  add(write: Write): void;
}

/** The end of a round's answer, as an offset in the chunk that was read. */
export interface RoundEnd {
  readonly end: number;
  /** The store has done what it was asked: no error, and nothing left open. */
  readonly isDone: boolean;
  readonly isInTransaction: boolean;
}

/** Reads one connection's bytes as they pass, in whatever chunks they come. */
export interface Wire {
  readRequest(chunk: Buffer): void;
  readAnswer(chunk: Buffer, onEnd: (round: RoundEnd) => void): void;
}

/** How many writes are still to lose their answers, and which. */
export interface LossOrder {
  left: number;
  readonly when: (statement: string) => boolean;
}

/** The order that holds at the moment; all connections of a proxy share it. */
export type CurrentOrder = () => LossOrder;

/** What becomes of a chunk of the store's answer; `lost` is the statement whose answer is not to be passed on. */
export interface Passed {
  readonly parts: readonly Buffer[];
  readonly lost: string | null;
}

/**
 * Matches one connection's answers to its requests, and finds those to lose.
 * The answer to a chosen write is held until it is whole. Was it carried out, the answer is lost; was it refused, the
 * answer is passed on late, and another write is lost in its stead.
 */
export class Conversation implements Rounds {
  /** The writes of each unanswered round that have not been looked at: whether they count depends on the round before. */
  readonly #rounds: Write[][] = [];
  readonly #wire: Wire;
  readonly #currentOrder: CurrentOrder;
  #isInTransaction = false;
  #chosen: { readonly order: LossOrder; readonly statement: string } | null = null;
  #held: Buffer[] = [];

  constructor(createWire: (rounds: Rounds) => Wire, currentOrder: CurrentOrder) {
    this.#wire = createWire(this);
    this.#currentOrder = currentOrder;
  }

  /** To be called before the chunk is sent on: an answer must not overtake the knowledge of its request. */
  request(chunk: Buffer): void {
    this.#wire.readRequest(chunk);
  }

  answer(chunk: Buffer): Passed {
    const parts: Buffer[] = [];
    let from = 0;
    let lost: string | null = null;
    // Bytes are cut only where a held answer may begin or ends; whatever passes stays in one piece.
    const cut = (to: number): void => {
      if (to > from) (this.#chosen === null ? parts : this.#held).push(chunk.subarray(from, to));
      from = to;
    };
    this.#wire.readAnswer(chunk, ({ end, isDone, isInTransaction }) => {
      if (lost !== null) return;
      if (this.#chosen !== null) cut(end);
      if (this.#chosen !== null && isDone) {
        lost = this.#chosen.statement;
        return;
      }
      parts.push(...this.#release());
      this.#isInTransaction = isInTransaction;
      this.#rounds.shift();
      if (this.#rounds[0]?.length) cut(end);
      this.#choose();
    });
    if (lost === null) cut(chunk.length);
    else this.#chosen = null;
    return { parts, lost };
  }

  /** The connection has ended: what was chosen and not lost is to be lost elsewhere. */
  close(): void {
    this.#release();
  }

  begin(): void {
    this.#rounds.push([]);
  }

  add(write: Write): void {
    this.#rounds.at(-1)?.push(write);
    this.#choose();
  }

  /** Looks at the writes of the round that is being answered. */
  #choose(): void {
    for (const { statement, isCommit } of this.#rounds[0]?.splice(0) ?? []) {
      const order = this.#currentOrder();
      const isEligible = this.#chosen === null && isCommit === this.#isInTransaction && order.left > 0;
      if (!isEligible || !order.when(statement)) continue;
      order.left -= 1;
      this.#chosen = { order, statement };
    }
  }

  #release(): Buffer[] {
    if (this.#chosen !== null) this.#chosen.order.left += 1;
    this.#chosen = null;
    return this.#held.splice(0);
  }
}
