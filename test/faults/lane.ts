import type { Socket } from 'node:net';

/** What all lanes of a proxy obey; times are of performance.now(). */
export interface Pace {
  delayMs: number;
  frozenUntil: number;
}

/** As much as a lane holds before its sender has to wait. */
const mostBytes = 1_048_576;

/** One direction of a connection: bytes go through in order, late where the pace says so. */
export class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #pace: Pace;
  readonly #deliver: (bytes: Buffer) => void;
  /** Null bytes: the sender has no more to say. */
  readonly #waiting: { readonly bytes: Buffer | null; readonly dueAt: number }[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(way: { from: Socket; to: Socket; pace: Pace }, deliver: (bytes: Buffer) => void) {
    this.#from = way.from;
    this.#to = way.to;
    this.#pace = way.pace;
    this.#deliver = deliver;
    this.#from.on('data', (bytes: Buffer) => this.#push(bytes));
    this.#from.on('end', () => this.#push(null));
    this.#to.on('drain', () => this.pump());
  }

  /** Sends what is due; to be called when the pace has changed. */
  pump(): void {
    clearTimeout(this.#timer);
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const waitMs = Math.max(next.dueAt, this.#pace.frozenUntil) - performance.now();
      if (waitMs > 0) this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs));
      if (waitMs > 0 || this.#to.writableNeedDrain) break;
      this.#waiting.shift();
      this.#bytes -= next.bytes?.length ?? 0;
      if (next.bytes === null) this.#to.end();
      else this.#deliver(next.bytes);
    }
    if (this.#bytes > mostBytes) this.#from.pause();
    else if (this.#from.isPaused()) this.#from.resume();
  }

  /** Forgets what is waiting. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#bytes = 0;
  }

  #push(bytes: Buffer | null): void {
    this.#waiting.push({ bytes, dueAt: performance.now() + this.#pace.delayMs });
    this.#bytes += bytes?.length ?? 0;
    this.pump();
  }
}
