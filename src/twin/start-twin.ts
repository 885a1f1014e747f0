import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Answer, notFoundPage } from './answer.ts';
import { answerRequest } from './answer-request.ts';
import { type Behaviour, defaultBehaviour, type Latency } from './behaviour.ts';
import { type ChangeableData, changeable } from './changeable-data.ts';
import { chooseFault, createFaultMemory, type Fault, type FaultMemory } from './faults.ts';
import { createRateWindow, type RateWindow } from './rate-window.ts';
import { createRequestLog, type LoggedRequest, type RequestLog } from './request-log.ts';
import { mixSeed, seededRandom } from './seeded.ts';
import { pause, sendAnswer } from './send-answer.ts';
import type { Key } from './table.ts';
import type { InlineRow, TwinData } from './twin-data.ts';

export type TwinOptions = {
  readonly dataset: TwinData;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default `/api/`; begins and ends with a slash. */
  readonly pathPrefix?: string;
  readonly behaviour?: Partial<Behaviour>;
  /** The same as `behaviour.latencyMs`, which it overrides. */
  readonly latencyMs?: Latency;
  /** Each request is appended to this file as a line of JSON. */
  readonly requestLogFile?: string;
};

/** A running imitation of the parliament's server. */
export type Twin = {
  /** Where the service begins, with a slash at the end: `http://127.0.0.1:PORT/api/`. */
  readonly url: string;
  readonly port: number;
  /** The newest 200,000 requests at most, in the order in which they were done with. */
  readonly requests: readonly LoggedRequest[];
  readonly clearRequests: () => void;
  readonly behaviour: Behaviour;
  /** Changes some switches, from the next request on. New `faults`, or a new `rateLimit`, start counting anew. */
  readonly setBehaviour: (change: Partial<Behaviour>) => void;
  /** Inserts a row, or replaces the one with its key; the dataset handed in stays as it was. Throws for an unknown set. */
  readonly put: (entity: string, row: InlineRow) => void;
  /** Removes a row; false when there is none with this key. */
  readonly remove: (entity: string, key: Key) => boolean;
  /** Serves other data from the next request on, such as a later snapshot. */
  readonly replaceWith: (dataset: TwinData) => void;
  /** Closes every connection; safe twice. */
  readonly stop: () => Promise<void>;
};

type State = {
  readonly options: { readonly prefix: string; readonly origin: () => string };
  readonly log: RequestLog;
  readonly data: ChangeableData;
  readonly stopping: AbortController;
  behaviour: Behaviour;
  faultMemory: FaultMemory;
  rateWindow: RateWindow;
  ordinal: number;
  /** Requests that were let in and are not done with. */
  underWay: number;
  readonly entityOrdinals: Map<string, number>;
};

/** Starts a twin and resolves when it listens. Rejects when the port is taken. */
export async function startTwin(options: TwinOptions): Promise<Twin> {
  const host = options.host ?? '127.0.0.1';
  const state = createState(options, () => `http://${host}:${portOf(server)}`);
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    handle(state, request, response).catch((error: unknown) => confess(response, error));
  });
  await listen(server, options.port ?? 0, host);
  const port = portOf(server);
  let stopped: Promise<void> | undefined;
  return {
    url: state.options.origin() + state.options.prefix,
    port,
    requests: state.log.entries,
    clearRequests: state.log.clear,
    get behaviour() {
      return state.behaviour;
    },
    setBehaviour: (change) => {
      state.behaviour = { ...state.behaviour, ...change };
      if (change.faults !== undefined) state.faultMemory = createFaultMemory();
      if (change.rateLimit !== undefined) state.rateWindow = createRateWindow();
    },
    put: state.data.put,
    remove: state.data.remove,
    replaceWith: state.data.replaceWith,
    stop: () => {
      stopped ??= stop(server, state);
      return stopped;
    },
  };
}

function createState(options: TwinOptions, origin: () => string): State {
  const latency = options.latencyMs === undefined ? {} : { latencyMs: options.latencyMs };
  return {
    options: { prefix: options.pathPrefix ?? '/api/', origin },
    log: createRequestLog(options.requestLogFile),
    data: changeable(options.dataset),
    stopping: new AbortController(),
    behaviour: { ...defaultBehaviour, ...options.behaviour, ...latency },
    faultMemory: createFaultMemory(),
    rateWindow: createRateWindow(),
    ordinal: 0,
    underWay: 0,
    entityOrdinals: new Map(),
  };
}

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const startedAt = Date.now();
  const started = performance.now();
  request.resume();
  const { behaviour } = state;
  const method = request.method ?? 'GET';
  const asked = { request, method, path: decodeForLog(request.url ?? '/'), ordinal: nextOrdinal(state) };
  const isAdmitted = state.rateWindow.admits(behaviour.rateLimit, started);
  state.underWay += isAdmitted ? 1 : 0;
  try {
    const { answer, fault } = isAdmitted ? await prepare(state, asked) : refuse(state, asked);
    const isGzip = behaviour.gzip && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const options = { fault, isGzip, isHead: method === 'HEAD', signal: state.stopping.signal };
    const sent = await sendAnswer(response, answer, options);
    const durationMs = Math.round((performance.now() - started) * 1000) / 1000;
    const name = isAdmitted ? (fault?.kind ?? null) : 'rate-limit';
    state.log.add({ method, path: asked.path, entity: answer.entity, ...sent, fault: name, startedAt, durationMs });
  } finally {
    state.underWay -= isAdmitted ? 1 : 0;
  }
}

type Asked = {
  readonly request: IncomingMessage;
  readonly method: string;
  readonly path: string;
  readonly ordinal: number;
};
type Prepared = { readonly answer: Answer; readonly fault: Fault | null };

async function prepare(state: State, asked: Asked): Promise<Prepared> {
  const { request, method, path, ordinal } = asked;
  const { behaviour } = state;
  await pause(latencyOf(behaviour, { ordinal, underWay: state.underWay }), state.stopping.signal);
  // The rows are read after the wait: a real server's answer, too, shows the data of its last moment.
  const answer = answerOf(state, request);
  const { entity, firstKey, lastKey } = answer;
  const entityOrdinal = nextEntityOrdinal(state, entity);
  const facts = { ordinal, entityOrdinal, method, path, entity, firstKey, lastKey };
  const fault = chooseFault(behaviour.faults, facts, { seed: behaviour.seed, memory: state.faultMemory });
  // These two are no matter of sending: the answer itself is another.
  const isRemade = fault?.kind === 'shifted-rows' || fault?.kind === 'wrong-count';
  return { answer: isRemade ? answerOf(state, request, fault) : answer, fault };
}

/** A refused request meets no fault, and waits for nothing. */
function refuse(state: State, { request }: Asked): Prepared {
  const answer = answerOf(state, request);
  nextEntityOrdinal(state, answer.entity);
  const retryAfter = state.behaviour.rateLimit?.retryAfter;
  return { answer, fault: { kind: 'status', status: 429, ...(retryAfter === undefined ? {} : { retryAfter }) } };
}

/** A mistake of the twin's own must not look like a fault of the imitated server. */
function confess(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  response.writeHead(500, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`The twin itself failed. ${text}`);
}

function answerOf(state: State, request: IncomingMessage, fault: Fault | null = null): Answer {
  const { prefix, origin } = state.options;
  const url = request.url ?? '/';
  const host = request.headers.host;
  const baseUrl = (host === undefined ? origin() : `http://${host}`) + prefix;
  // The root answers without its slash, too.
  const path = url === prefix.slice(0, -1) || url.startsWith(prefix.slice(0, -1) + '?') ? prefix : url;
  if (!path.startsWith(prefix)) return notFoundPage();
  const target = path.slice(prefix.length);
  const countError = state.behaviour.countError + (fault?.kind === 'wrong-count' ? fault.by : 0);
  return answerRequest({
    method: request.method ?? 'GET',
    target,
    baseUrl,
    data: state.data.current(),
    behaviour: { ...state.behaviour, countError },
    shiftedBy: fault?.kind === 'shifted-rows' ? fault.rows : 0,
  });
}

function nextOrdinal(state: State): number {
  state.ordinal += 1;
  return state.ordinal;
}

function nextEntityOrdinal(state: State, entity: string | null): number {
  const ordinal = (state.entityOrdinals.get(entity ?? '') ?? 0) + 1;
  state.entityOrdinals.set(entity ?? '', ordinal);
  return ordinal;
}

function latencyOf(behaviour: Behaviour, request: { ordinal: number; underWay: number }): number {
  const latency = behaviour.latencyMs;
  if (typeof latency === 'number') return latency;
  const draw = seededRandom(mixSeed(behaviour.seed, 'latency', request.ordinal))();
  const alone = latency.min + (latency.max - latency.min) * draw;
  return 'capacity' in latency ? alone + Math.max(0, request.underWay - latency.capacity) * latency.perExtraMs : alone;
}

function decodeForLog(url: string): string {
  try {
    return decodeURIComponent(url.replaceAll('+', ' '));
  } catch {
    return url;
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

async function stop(server: Server, state: State): Promise<void> {
  state.stopping.abort();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
