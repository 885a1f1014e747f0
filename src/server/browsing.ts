import type { FastifyInstance } from 'fastify';
import { type Database, openDatabase } from '../db/database.ts';
import { RequestError, retryAfter } from './problem.ts';
import type { ServerContext } from './server-context.ts';

/** Connections for reading what has been harvested: not those that the fleet's work needs. */
const CONNECTIONS = 8;
/** How many of them streams may hold at once; a stream holds one until its client has taken everything. */
const STREAMS = 4;
/** How many pages for people may look through all records of a dataset at once. */
const SEARCHES = 2;
/** How long one statement may take: a page, or the next rows of a stream. */
const STATEMENT_TIMEOUT_MS = 15_000;

export interface ReadContext extends ServerContext {
  /** For reads that may be large: on connections of their own, with an end to how long each takes. */
  readonly browsing: Database;
  /** Lets a stream begin, and returns how to say that it has ended. Throws a RequestError when there are too many. */
  enterStream(): () => void;
  /** The same for a search of a dataset's page. */
  enterSearch(): () => void;
}

/** Opens what reads need besides; closed with the server. */
export function openBrowsing(app: FastifyInstance, context: ServerContext): ReadContext {
  const browsing = openDatabase({
    url: context.database.url,
    session: context.database.session,
    connections: CONNECTIONS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  });
  app.addHook('onClose', () => browsing.close());
  return {
    ...context,
    browsing,
    enterStream: turnstile(STREAMS, tooManyStreams),
    enterSearch: turnstile(SEARCHES, tooManySearches),
  };
}

function turnstile(places: number, refuse: (places: number) => RequestError): () => () => void {
  let taken = 0;
  return () => {
    if (taken >= places) throw refuse(places);
    taken++;
    let isInside = true;
    return () => {
      if (isInside) taken--;
      isInside = false;
    };
  };
}

function tooManyStreams(places: number): RequestError {
  return new RequestError(`${places} streams are under way already, as many as this server gives. Try again later.`, {
    status: 503,
    code: 'too-many-streams',
    headers: retryAfter(10),
  });
}

function tooManySearches(places: number): RequestError {
  const detail = `${places} searches are under way already, as many as this server makes at once. Load this page again in a moment.`;
  return new RequestError(detail, { status: 503, code: 'too-many-searches', headers: retryAfter(5) });
}
