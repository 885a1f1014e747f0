import type { RoundEnd, Rounds, Wire } from './conversation.ts';

/** As much of a command as is looked at. */
const mostCommandBytes = 1024;

/** Commands that change nothing, and those that wait: an answer that is lost while waiting is a cut, which is something else. */
const harmless: ReadonlySet<string> = new Set(
  [
    [
      'auth client cluster command config dbsize debug discard echo hello info latency memory module monitor multi object',
    ],
    ['ping quit readonly readwrite role script select slowlog time unwatch wait waitaof watch lastsave acl'],
    [
      'bitcount bitpos dump eval_ro evalsha_ro exists expiretime fcall_ro get getbit getrange keys mget pexpiretime pttl',
    ],
    [
      'randomkey scan sort_ro strlen substr touch ttl type hexists hget hgetall hkeys hlen hmget hrandfield hscan hstrlen',
    ],
    ['hvals lcs lindex llen lpos lrange scard sdiff sinter sintercard sismember smembers smismember srandmember sscan'],
    [
      'sunion zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank',
    ],
    [
      'zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion xinfo xlen xpending xrange xread xrevrange',
    ],
    ['blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin xreadgroup'],
    ['publish spublish subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe'],
  ].flatMap(([line = '']) => line.split(' ')),
);

/** From here on replies come without having been asked for; such a connection is no longer read. */
const streaming: ReadonlySet<string> = new Set(['monitor', 'subscribe', 'psubscribe', 'ssubscribe']);

/** Reads Redis' protocol, RESP2 and RESP3: commands are arrays of strings, each is answered by one value. */
export function createRedisWire(rounds: Rounds): Wire {
  let isStreaming = false;
  let isQueueing = false;
  let hasQueuedWrite = false;
  const commands = new CommandReader((command) => {
    const name = (command.split(' ', 1)[0] ?? '').toLowerCase();
    isStreaming ||= streaming.has(name);
    rounds.begin();
    // Between MULTI and EXEC nothing is carried out: EXEC is the write.
    const isWrite = name === 'exec' ? hasQueuedWrite : !harmless.has(name);
    if (isWrite && (name === 'exec' || !isQueueing)) rounds.add({ statement: command, isCommit: false });
    hasQueuedWrite = isQueueing && name !== 'exec' && name !== 'discard' && (hasQueuedWrite || isWrite);
    isQueueing = name === 'multi' || (isQueueing && name !== 'exec' && name !== 'discard');
  });
  const replies = new ReplyReader();
  return {
    readRequest: (chunk) => void (isStreaming || commands.read(chunk)),
    readAnswer: (chunk, onEnd) => void (isStreaming || replies.read(chunk, onEnd)),
  };
}

const lineFeed = 10;

/** Cuts a stream into lines and the counted bytes that some of them announce. */
class LineReader {
  readonly #onLine: (line: string, end: number) => number;
  readonly #onBytes: (bytes: Buffer, end: number, isLast: boolean) => void;
  #line = '';
  #bytesLeft = 0;

  /** `onLine` answers how many bytes follow it. */
  constructor(
    onLine: (line: string, end: number) => number,
    onBytes: (bytes: Buffer, end: number, isLast: boolean) => void,
  ) {
    this.#onLine = onLine;
    this.#onBytes = onBytes;
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#bytesLeft > 0 ? this.#skip(chunk, at) : this.#readLine(chunk, at);
  }

  #skip(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#bytesLeft);
    this.#bytesLeft -= end - at;
    this.#onBytes(chunk.subarray(at, end), end, this.#bytesLeft === 0);
    return end;
  }

  #readLine(chunk: Buffer, at: number): number {
    const feed = chunk.indexOf(lineFeed, at);
    const end = feed === -1 ? chunk.length : feed + 1;
    this.#line += chunk.toString('latin1', at, end);
    if (feed === -1) return end;
    const line = this.#line.trimEnd();
    this.#line = '';
    this.#bytesLeft = this.#onLine(line, end);
    return end;
  }
}

/** Finds commands: their words, with a space between, as far as they are looked at. */
class CommandReader {
  readonly #lines: LineReader;
  #wordsLeft = 0;
  #words: Buffer[] = [];
  #room = mostCommandBytes;

  constructor(onCommand: (command: string) => void) {
    const finish = (): void => {
      const command = Buffer.concat(this.#words).toString('utf8').replaceAll('\r\n', ' ').trim();
      this.#words = [];
      this.#room = mostCommandBytes;
      onCommand(command);
    };
    this.#lines = new LineReader(
      (line) => {
        if (line.startsWith('$')) return Number(line.slice(1)) + 2;
        if (line.startsWith('*')) this.#wordsLeft = Number(line.slice(1));
        else if (line !== '') onCommand(line); // typed by hand
        return 0;
      },
      (bytes, _end, isLast) => {
        const kept = bytes.subarray(0, this.#room);
        this.#room -= kept.length;
        this.#words.push(kept);
        if (!isLast) return;
        this.#wordsLeft -= 1;
        if (this.#wordsLeft === 0) finish();
      },
    );
  }

  read(chunk: Buffer): void {
    this.#lines.read(chunk);
  }
}

/** Finds the ends of replies. What RESP3 pushes unasked is passed over. */
class ReplyReader {
  readonly #lines: LineReader;
  #onEnd: (round: RoundEnd) => void = () => undefined;
  /** Values still to come, of this reply and of the arrays within it. */
  #valuesLeft = 1;
  #firstType: string | null = null;

  constructor() {
    this.#lines = new LineReader(
      (line, end) => this.#receive(line, end),
      (_bytes, end, isLast) => {
        if (isLast) this.#close(1, end);
      },
    );
  }

  read(chunk: Buffer, onEnd: (round: RoundEnd) => void): void {
    this.#onEnd = onEnd;
    this.#lines.read(chunk);
  }

  #receive(line: string, end: number): number {
    const type = line.charAt(0);
    const count = Number(line.slice(1));
    // Attributes stand before the value they are about, and are not one.
    if (type === '|') {
      this.#valuesLeft += 2 * count;
      return 0;
    }
    this.#firstType ??= type;
    if ('$!='.includes(type) && count >= 0) return count + 2;
    if ('*~>%'.includes(type) && count > 0) this.#valuesLeft += type === '%' ? 2 * count : count;
    this.#close(1, end);
    return 0;
  }

  #close(values: number, end: number): void {
    this.#valuesLeft -= values;
    if (this.#valuesLeft > 0) return;
    const type = this.#firstType ?? '';
    this.#valuesLeft = 1;
    this.#firstType = null;
    if (type !== '>') this.#onEnd({ end, isDone: type !== '-' && type !== '!', isInTransaction: false });
  }
}
