import { EventEmitter } from 'node:events';
import pg from 'pg';
import type { Step } from './scenario.ts';

export interface LedgerRun {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly generation: number;
  readonly isSealed: boolean;
}

/** A step that has been committed, and the process of the finaliser that took it; null for a planner. */
export interface StepTaken {
  readonly step: Step;
  readonly pid: number | null;
}

/**
 * The suite's own look at the ledger, past the proxies and without Sheaf's code. PostgreSQL may be away at any time:
 * what only looks then answers null.
 */
export interface Ledger {
  /** All rows of a query; throws when PostgreSQL is away. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** As `query`, or null when PostgreSQL is away. */
  look<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[] | null>;
  runs(): Promise<LedgerRun[] | null>;
  onStep(listener: (taken: StepTaken) => void): void;
  close(): Promise<void>;
}

export async function openLedger(url: string): Promise<Ledger> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 3,
    connectionTimeoutMillis: 3_000,
    application_name: 'suite',
  });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const bus = new EventEmitter();
  bus.setMaxListeners(50);
  const listening = listen(url, (payload) => bus.emit('step', JSON.parse(payload)));
  await listening.ready;
  const query: Ledger['query'] = async (text, values = []) => (await pool.query(text, values)).rows;
  const look: Ledger['look'] = (text, values) => query(text, values).catch(() => null) as never;
  return {
    query,
    look,
    runs: () =>
      look<LedgerRun>(
        `select id, state, reason, generation, sealed_at is not null as "isSealed" from sheaf.runs order by created_at`,
      ),
    onStep: (listener) => void bus.on('step', listener),
    close: async () => {
      await listening.stop();
      await pool.end();
    },
  };
}

/** Listens to the audit triggers, and again after each loss of the connection. */
function listen(url: string, onPayload: (payload: string) => void): { ready: Promise<void>; stop(): Promise<void> } {
  let client: pg.Client | undefined;
  let isStopped = false;
  const connect = async (): Promise<void> => {
    const next = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000, application_name: 'suite' });
    let isLost = false;
    const again = () => {
      if (isLost || isStopped) return;
      isLost = true;
      setTimeout(() => void connect(), 100);
    };
    next.on('error', again);
    next.on('end', again);
    next.on('notification', ({ payload = '' }) => onPayload(payload));
    try {
      await next.connect();
      await next.query('listen faults');
      client = next;
    } catch {
      again();
    }
  };
  const stop = async (): Promise<void> => {
    isStopped = true;
    await client?.end().catch(() => undefined);
  };
  return { ready: connect(), stop };
}
