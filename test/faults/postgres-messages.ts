import type { RoundEnd, Rounds, Wire, Write } from './conversation.ts';

/** As much of a statement as is looked at; the values bound to it are not in it. */
const mostStatementBytes = 65_536;

const sslRequest = 80_877_103;
const gssRequest = 80_877_104;

/**
 * Reads PostgreSQL's protocol, version 3: a packet without a type to begin with, then messages of a type, a length that
 * counts itself, and a body. A simple query is answered by one ReadyForQuery, and so is everything up to a Sync.
 */
export function createPostgresWire(rounds: Rounds): Wire {
  const requests = new PostgresRequests(rounds);
  let isEncrypted = false;
  let isFailed = false;
  let onRoundEnd: (round: RoundEnd) => void = () => undefined;
  const messages = new MessageReader({
    isTyped: true,
    isKept: (type) => type === 'Z',
    onMessage: ({ type, body, end }) => {
      if (type === 'E') isFailed = true;
      if (type !== 'Z') return;
      const status = body.toString('latin1');
      onRoundEnd({ end, isDone: !isFailed && status === 'I', isInTransaction: status === 'T' });
      isFailed = false;
    },
  });
  return {
    readRequest: (chunk) => {
      if (!isEncrypted) requests.read(chunk);
    },
    readAnswer: (chunk, onEnd) => {
      onRoundEnd = onEnd;
      // The answer to a wish for encryption is a single byte; what is then encrypted passes unread.
      const from = requests.takeAwaitedByte() ? 1 : 0;
      isEncrypted ||= from === 1 && 'SG'.includes(String.fromCharCode(chunk[0] ?? 0));
      if (!isEncrypted) messages.read(chunk, from);
    },
  };
}

/** Finds the rounds, and the writes in them. */
class PostgresRequests {
  readonly #rounds: Rounds;
  readonly #messages: MessageReader;
  /** What each prepared statement says, and which statement each portal runs. */
  readonly #statements = new Map<string, string>();
  readonly #portals = new Map<string, string>();
  /** Extended messages have come and no Sync. */
  #isOpen = false;
  #isExtended = false;
  #isByteAwaited = false;

  constructor(rounds: Rounds) {
    this.#rounds = rounds;
    this.#messages = new MessageReader({
      isTyped: false,
      isKept: (type) => type === null || 'QPBEC'.includes(type),
      onMessage: ({ type, body }) => this.#receive(type, body),
    });
  }

  read(chunk: Buffer): void {
    this.#messages.read(chunk, 0);
  }

  takeAwaitedByte(): boolean {
    const isAwaited = this.#isByteAwaited;
    this.#isByteAwaited = false;
    return isAwaited;
  }

  #receive(type: string | null, body: Buffer): void {
    if (type === null) this.#start(body);
    else if (type === 'Q') this.#ask(body);
    else if ('PBDEC'.includes(type)) this.#extend(type, body);
    else if (type === 'F') this.#begin(false);
    else if (type === 'S') this.#sync();
    // The Sync sent ahead of a COPY's data was ignored: the one behind the data ends the round.
    else if (type === 'c' || type === 'f') this.#isOpen = this.#isExtended;
  }

  /** A wish for encryption is followed by another packet without a type; the login ends in the first ReadyForQuery. */
  #start(body: Buffer): void {
    const code = body.readInt32BE(0);
    if (code === sslRequest || code === gssRequest) {
      this.#isByteAwaited = true;
      return;
    }
    this.#messages.isTyped = true;
    this.#begin(false);
  }

  #begin(isExtended: boolean): void {
    this.#isExtended = isExtended;
    this.#isOpen = isExtended;
    this.#rounds.begin();
  }

  #ask(body: Buffer): void {
    this.#begin(false);
    this.#note(textAt(body, 0).text);
  }

  #sync(): void {
    if (!this.#isOpen) this.#begin(true);
    this.#isOpen = false;
  }

  #extend(type: string, body: Buffer): void {
    if (!this.#isOpen) this.#begin(true);
    const first = textAt(body, 0);
    const second = textAt(body, first.end);
    if (type === 'P') this.#statements.set(first.text, second.text);
    if (type === 'B') this.#portals.set(first.text, this.#statements.get(second.text) ?? '');
    if (type === 'C' && first.text.startsWith('S')) this.#statements.delete(first.text.slice(1));
    if (type === 'E') this.#note(this.#portals.get(first.text) ?? '');
  }

  #note(sql: string): void {
    const write = writeOf(sql);
    if (write !== null) this.#rounds.add(write);
  }
}

function textAt(body: Buffer, from: number): { text: string; end: number } {
  const zero = body.indexOf(0, from);
  const end = zero === -1 ? body.length : zero;
  return { text: body.toString('utf8', from, end), end: end + 1 };
}

const leadingComments = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/;
const plainWrite = /^(?:insert|update|delete|merge|truncate|create|alter|drop)\b/i;
/** `for update` locks, and writes nothing. */
const changingWith = /^with\b[\s\S]*(?:\b(?:insert|merge)\s+into\b|\bdelete\s+from\b|(?<!\b(?:for|key)\s+)\bupdate\b)/i;
const queueFunctions = [
  'add_\\w+|change_\\w+|clean|collect_metrics|drain|extend_lock|move_\\w+|obliterate|pause|promote|promote_jobs',
  'publish_event|remove|remove_\\w+|reprocess_job|retry_jobs?|set_rate_limit|update_\\w+',
].join('|');
const queueCall = new RegExp(`^select\\b[\\s\\S]*\\b(?:${queueFunctions})\\s*\\(`, 'i');
const wholeTransaction = /^(?:begin|start)\b[\s\S]*;\s*(?:commit|end)\s*;?\s*$/i;

/** What a statement writes; null when it reads, or only prepares for a write as within a transaction. */
export function writeOf(sql: string): Write | null {
  const statement = sql.replace(leadingComments, '');
  if (/^(?:commit|end)\b/i.test(statement)) return { statement, isCommit: true };
  const isWrite = [plainWrite, changingWith, queueCall, wholeTransaction].some((shape) => shape.test(statement));
  return isWrite ? { statement, isCommit: false } : null;
}

interface Message {
  /** Null: a packet without a type. */
  readonly type: string | null;
  /** Empty unless this type is kept; at most its first 64 KiB. */
  readonly body: Buffer;
  /** Where in the chunk it ends. */
  readonly end: number;
}

/** Cuts a stream into messages. Bodies that are not kept are counted, not read. */
class MessageReader {
  isTyped: boolean;
  readonly #isKept: (type: string | null) => boolean;
  readonly #onMessage: (message: Message) => void;
  readonly #header = Buffer.alloc(5);
  #headerLength = 0;
  #bodyLeft = 0;
  #room = 0;
  #kept: Buffer[] = [];

  constructor(options: {
    isTyped: boolean;
    isKept: (type: string | null) => boolean;
    onMessage: (message: Message) => void;
  }) {
    this.isTyped = options.isTyped;
    this.#isKept = options.isKept;
    this.#onMessage = options.onMessage;
  }

  read(chunk: Buffer, from: number): void {
    let at = from;
    while (at < chunk.length) {
      const whole = this.isTyped ? 5 : 4;
      if (this.#headerLength < whole) {
        this.#header[this.#headerLength++] = chunk[at++] ?? 0;
        if (this.#headerLength === whole) this.#open();
      } else {
        at = this.#take(chunk, at);
      }
      if (this.#headerLength === whole && this.#bodyLeft === 0) this.#finish(at);
    }
  }

  get #type(): string | null {
    return this.isTyped ? String.fromCharCode(this.#header[0] ?? 0) : null;
  }

  #open(): void {
    this.#bodyLeft = this.#header.readInt32BE(this.isTyped ? 1 : 0) - 4;
    this.#room = this.#isKept(this.#type) ? mostStatementBytes : 0;
  }

  #take(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#bodyLeft);
    const kept = Math.min(this.#room, end - at);
    if (kept > 0) this.#kept.push(chunk.subarray(at, at + kept));
    this.#room -= kept;
    this.#bodyLeft -= end - at;
    return end;
  }

  #finish(end: number): void {
    const body = this.#kept.length === 1 ? (this.#kept[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#kept);
    const type = this.#type;
    this.#kept = [];
    this.#headerLength = 0;
    this.#onMessage({ type, body, end });
  }
}
