import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Conversation, type CurrentOrder, type LossOrder, type Rounds, type Wire } from './conversation.ts';
import { Lane, type Pace } from './lane.ts';
import { createPostgresWire } from './postgres-messages.ts';
import { createRedisWire } from './redis-replies.ts';

export type StoreKind = 'postgres' | 'redis';

export interface StoreProxyOptions {
  readonly kind: StoreKind;
  /** The real store's URL, without TLS. */
  readonly url: string;
  /** Told of what is done to connections, in words. */
  readonly onEvent?: (what: string) => void;
}

/** A network between a client and a store, which can be made to fail. */
export interface StoreProxy {
  /** The store's URL with the proxy's host and port in place of its own. */
  readonly url: string;
  /** Closes every connection with a reset, and refuses new ones (accept, then reset at once) for `forMs`. */
  cut(forMs: number): void;
  /** Holds all bytes in both directions for `forMs` without closing anything (a network that is stuck), then lets them through in order. */
  freeze(forMs: number): void;
  /** Delays each chunk by this many ms from now on, in order; 0 ends it. */
  setDelay(ms: number): void;
  /**
   * The next `count` writes are carried out by the store, and the connection is reset before the answer reaches the
   * client; of those that `when` selects, if given. A new call takes the place of the last one; a count of 0 ends it.
   * A write that the store refuses does not count, and its answer is passed on.
   *
   * PostgreSQL: a commit that ends a transaction, and a statement outside of one that inserts, updates, deletes, changes
   * the schema or calls a function of BullMQ's that does; `when` sees its text without leading comments, and without
   * the values bound to it. Redis: any command that is not a read or a blocking pop, and EXEC with such commands before it;
   * `when` sees the words of the command, up to 1 KiB, with a space between.
   */
  loseAnswers(count: number, when?: (statement: string) => boolean): void;
  /** How many answers have been lost, and connections cut. */
  readonly counts: { readonly lost: number; readonly cut: number };
  /** Resets what is open and stops listening; safe twice. */
  stop(): Promise<void>;
}

interface State {
  readonly createWire: (rounds: Rounds) => Wire;
  readonly store: { readonly host: string; readonly port: number };
  readonly connections: Set<Connection>;
  /** Refused ones, too. */
  readonly clients: Set<Socket>;
  readonly pace: Pace;
  readonly counts: { lost: number; cut: number };
  readonly tell: (what: string) => void;
  order: LossOrder;
  refusesUntil: number;
}

const wires = {
  postgres: { create: createPostgresWire, port: 5432 },
  redis: { create: createRedisWire, port: 6379 },
} as const;

/** Starts a proxy on the loopback before a store, and resolves when it listens. */
export async function startStoreProxy({ kind, url, onEvent }: StoreProxyOptions): Promise<StoreProxy> {
  const store = new URL(url);
  const state: State = {
    createWire: wires[kind].create,
    store: { host: store.hostname, port: Number(store.port || wires[kind].port) },
    connections: new Set(),
    clients: new Set(),
    pace: { delayMs: 0, frozenUntil: 0 },
    counts: { lost: 0, cut: 0 },
    tell: onEvent ?? (() => undefined),
    order: { left: 0, when: () => true },
    refusesUntil: 0,
  };
  // Ends are passed on one by one, as the two sides send them.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => receive(state, client));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  store.hostname = '127.0.0.1';
  store.port = String((server.address() as AddressInfo).port);
  return createSwitches(state, { server, url: store.href });
}

function createSwitches(state: State, { server, url }: { server: Server; url: string }): StoreProxy {
  let stopped: Promise<void> | undefined;
  return {
    url,
    counts: state.counts,
    cut: (forMs) => {
      state.refusesUntil = performance.now() + forMs;
      state.counts.cut += state.connections.size;
      state.tell(`cut ${state.connections.size} connections, for ${forMs} ms`);
      for (const connection of state.connections) connection.reset();
    },
    freeze: (forMs) => {
      state.pace.frozenUntil = performance.now() + forMs;
      state.tell(`frozen for ${forMs} ms`);
      for (const connection of state.connections) connection.pump();
    },
    setDelay: (ms) => {
      state.pace.delayMs = ms;
      state.tell(`delayed by ${ms} ms`);
    },
    loseAnswers: (count, when = () => true) => {
      state.order = { left: count, when };
    },
    stop: () => {
      stopped ??= stop(state, server);
      return stopped;
    },
  };
}

function receive(state: State, client: Socket): void {
  state.clients.add(client);
  client.once('close', () => state.clients.delete(client));
  if (performance.now() < state.refusesUntil) {
    client.on('error', () => undefined);
    client.resetAndDestroy();
    state.tell('refused a connection');
    return;
  }
  const connection = new Connection(client, state);
  state.connections.add(connection);
  void connection.closed.then(() => state.connections.delete(connection));
}

async function stop(state: State, server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Those that were reset while they were shut down say nothing more: libuv refuses that, and Node tells nobody.
  const connections = [...state.connections].filter((connection) => !connection.isReset);
  for (const connection of connections) connection.destroy();
  for (const client of state.clients) client.destroy();
  await Promise.all([closed, ...connections.map((connection) => connection.closed)]);
}

/** A client, and its own connection to the store. */
class Connection {
  readonly closed: Promise<unknown>;
  readonly #sockets: readonly Socket[];
  readonly #lanes: readonly Lane[];
  readonly #conversation: Conversation;
  isReset = false;

  constructor(client: Socket, state: State) {
    const store = connect({ ...state.store, allowHalfOpen: true, noDelay: true });
    const currentOrder: CurrentOrder = () => state.order;
    this.#conversation = new Conversation(state.createWire, currentOrder);
    this.#sockets = [client, store];
    this.#lanes = [
      new Lane({ from: client, to: store, pace: state.pace }, (bytes) => {
        this.#conversation.request(bytes);
        store.write(bytes);
      }),
      new Lane({ from: store, to: client, pace: state.pace }, (bytes) => this.#answer(client, bytes, state)),
    ];
    for (const socket of this.#sockets) socket.on('error', () => this.reset());
    this.closed = Promise.all(this.#sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    void this.closed.then(() => this.#conversation.close());
  }

  pump(): void {
    for (const lane of this.#lanes) lane.pump();
  }

  /** Closes both sides with a reset. */
  reset(): void {
    if (this.isReset) return;
    this.#letGo();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Closes both sides at once. A reset first writes what is still to be written, and that may never be read. */
  destroy(): void {
    this.#letGo();
    for (const socket of this.#sockets) socket.destroy();
  }

  #letGo(): void {
    this.isReset = true;
    for (const lane of this.#lanes) lane.stop();
    this.#conversation.close();
  }

  #answer(client: Socket, bytes: Buffer, state: State): void {
    const { parts, lost } = this.#conversation.answer(bytes);
    if (lost === null) {
      for (const part of parts) client.write(part);
      return;
    }
    // What was answered before is dropped with it: a reset may overtake it anyway.
    state.counts.lost += 1;
    state.tell(`lost the answer to: ${lost.slice(0, 120)}`);
    this.reset();
  }
}
