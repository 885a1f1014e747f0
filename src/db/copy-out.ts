import type { Socket } from 'node:net';
import type pg from 'pg';

/** Takes what PostgreSQL sends, piece by piece, and says when it has enough for now. */
export interface CopyTaker {
  add(chunk: Buffer): void;
  isFull(): boolean;
}

/**
 * A query `copy … to stdout` as the driver carries it out. Rows are handed on from within the driver's own reading, without a
 * stream in between, and the server is held up while the taker is full: what it sends meanwhile waits in the socket.
 */
export class CopyOut {
  readonly #statement: string;
  readonly #taker: CopyTaker;
  #socket: Socket | undefined;
  #isEnded = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(statement: string, taker: CopyTaker) {
    this.#statement = statement;
    this.#taker = taker;
  }

  /** Resolves when the taker is full, or has all: then true. Rejects with the server's error. What the taker has must be taken from it before the next call. */
  async fill(): Promise<boolean> {
    this.#socket?.resume();
    if (!this.#isEnded && this.#error === undefined && !this.#taker.isFull())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    if (this.#error !== undefined) throw this.#error;
    return this.#isEnded;
  }

  submit(connection: pg.Connection): void {
    this.#socket = connection.stream as Socket;
    connection.query(this.#statement);
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    if (this.#error !== undefined) return;
    try {
      this.#taker.add(chunk);
    } catch (error) {
      this.handleError(error as Error); // thrown from here, it would be nobody's, and end the process
      return;
    }
    if (!this.#taker.isFull()) return;
    this.#socket?.pause();
    this.#wake();
  }

  /** By the driver once it has forgotten this query: it is told nothing more. */
  handleError(error: Error): void {
    this.#error = error;
    this.#socket?.resume(); // what the server says after it
    this.#wake();
  }

  handleReadyForQuery(): void {
    this.#isEnded = true;
    this.#socket?.resume(); // the connection is for others now, full or not
    this.#wake();
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}
