import type { Settings } from '../config/options.ts';
import type { Database } from '../db/database.ts';
import { countLiveWorkers } from '../db/queries/workers.ts';
import { isLoopback } from '../domain/address.ts';
import { toStoredError } from '../domain/errors.ts';
import { requestRetryPolicy } from '../domain/retry-policy.ts';
import { createPaceGate } from '../gate/pace-gate.ts';
import { createSharedGate } from '../gate/shared-gate.ts';
import type { ReachableSource } from '../producer/survey-harvest.ts';
import { createHttpClient } from '../sources/http-client.ts';
import { createOdaSource } from '../sources/oda/oda-source.ts';
import { createRegistry, type Registry } from '../sources/registry.ts';
import { createSourceFetch, type FetchEvent, probeSource } from '../sources/source-fetch.ts';
import type { Telemetry } from '../telemetry/events.ts';
import { VERSION } from './version.ts';

/** What a public API is asked at most, all workers together, unless it is told otherwise: polite clients send this. */
const POLITE_RATE = 5;
/** Requests that a public API has under way for us at most, all workers together. */
const POLITE_CONCURRENCY = 8;

export interface Sources {
  readonly registry: Registry;
  readonly reach: (source: string) => ReachableSource;
  /** Requests a second that the fleet sends to a source at most; null for no limit. */
  readonly rateOf: (source: string) => number | null;
  /** Counts the live workers anew: each takes an equal share of the rate. Nothing happens without a database. */
  refreshShare(): Promise<void>;
  /** Reads a source's gate anew, or all of them. */
  refreshGates(source?: string): Promise<void>;
  close(): Promise<void>;
}

export interface SourcesOptions {
  readonly settings: Settings;
  readonly telemetry: Telemetry;
  /** Where the fleet shares its gates; null for a command that asks a source a thing or two by itself. */
  readonly database: Database | null;
  /** Overrides the settings' rates; 0 for no limit, null to leave them. */
  readonly rate: number | null;
  /** Sockets to each source. */
  readonly connections: number;
}

/** Builds every source with its HTTP client and its gate. Nothing is sent before it is asked for. */
export function createSources({ settings, telemetry, database, rate, connections }: SourcesOptions): Sources {
  const oda = createOdaSource({ baseUrl: settings.SHEAF_ODA_URL });
  const registry = createRegistry([oda]);
  const rates = new Map([[oda.name, limitFor(oda.baseUrl, rate ?? settings.SHEAF_ODA_RATE, POLITE_RATE)]]);
  const reached = new Map<string, ReturnType<typeof open>>();
  let liveWorkers = 1;

  const open = (name: string) => {
    const source = registry.findSource(name);
    const client = createHttpClient({
      baseUrl: source.baseUrl,
      userAgent: settings.SHEAF_USER_AGENT ?? `sheaf/${VERSION}`,
      connections,
      connectTimeoutMs: settings.SHEAF_CONNECT_TIMEOUT_MS,
      headersTimeoutMs: settings.SHEAF_HEADERS_TIMEOUT_MS,
      bodyTimeoutMs: settings.SHEAF_BODY_TIMEOUT_MS,
      maxBodyBytes: settings.SHEAF_MAX_BODY_MB * 1_000_000,
    });
    const pace = createPaceGate({
      source: name,
      requestsPerSecond: rates.get(name) ?? null,
      concurrency: limitFor(source.baseUrl, settings.SHEAF_ODA_CONCURRENCY, POLITE_CONCURRENCY),
      connections,
      share: () => 1 / liveWorkers,
      telemetry,
    });
    const probe = () => probeSource(client, source.probePath);
    const shared = database === null ? null : createSharedGate({ source: name, database, pace, telemetry, probe });
    const gate = shared ?? pace;
    const onEvent = (event: FetchEvent) => forward(telemetry, event);
    const fetch = createSourceFetch({ source: name, client, gate, policy: requestRetryPolicy, onEvent });
    return { reachable: { source, fetch }, refresh: async () => shared?.refresh(), close: () => client.close() };
  };

  return {
    registry,
    rateOf: (name) => rates.get(name) ?? null,
    reach: (name) => {
      const known = reached.get(name) ?? open(name);
      reached.set(name, known);
      return known.reachable;
    },
    refreshShare: async () => {
      if (database !== null) liveWorkers = await countLiveWorkers(database);
    },
    refreshGates: async (source) => {
      const chosen = [...reached].filter(([name]) => source === undefined || name === source);
      await Promise.all(chosen.map(([, { refresh }]) => refresh()));
    },
    close: async () => {
      await Promise.all([...reached.values()].map(({ close }) => close()));
    },
  };
}

/**
 * A limit as it was asked for, where 0 means none, or else the polite one. A server on this machine is the user's own,
 * most often the twin: nothing is held back from it unless asked for.
 */
export function limitFor(baseUrl: string, asked: number | undefined, polite: number): number | null {
  if (asked !== undefined) return asked === 0 ? null : asked;
  const { hostname } = new URL(baseUrl);
  const isLocal = isLoopback(hostname);
  return isLocal ? null : polite;
}

function forward(telemetry: Telemetry, event: FetchEvent): void {
  if (event.type === 'request-finished') {
    const { source, status, durationMs, bytes } = event;
    telemetry.emit('request.finished', { source, status: status ?? 0, durationMs, bytes });
    return;
  }
  const { source, attempt, delayMs, error } = event;
  telemetry.emit('request.retried', { source, attempt, delayMs, error: toStoredError(error) });
}
