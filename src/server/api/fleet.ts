import { z } from 'zod';
import { listAudit } from '../../db/queries/audit.ts';
import { listGates } from '../../db/queries/gates.ts';
import { listLiveWorkers } from '../../db/queries/workers.ts';
import type { ServerContext } from '../server-context.ts';
import { fromCursor, toPage } from './cursor.ts';
import {
  type ApiScope,
  cursorParameter,
  moment,
  nextCursor,
  notModified,
  operation,
  pageLimit,
  plainText,
} from './operation.ts';
import { gateFacts } from './run-schemas.ts';

const workerList = z
  .object({
    workers: z.array(
      z.object({
        id: z.int(),
        host: z.string(),
        pid: z.int(),
        version: z.string(),
        concurrency: z.int().meta({ description: 'Pages that it asks for at once.' }),
        startedAt: moment,
        heartbeatAt: moment,
      }),
    ),
  })
  .meta({ id: 'WorkerList' });

const gateList = z.object({ gates: z.array(z.object({ source: z.string(), ...gateFacts })) }).meta({ id: 'GateList' });

const auditPage = z
  .object({
    entries: z.array(
      z.object({
        id: z.int(),
        at: moment,
        actor: z.string(),
        role: z.enum(['viewer', 'operator']).nullable(),
        via: z.string(),
        address: z.string().nullable(),
        action: z.string(),
        target: z.object({ kind: z.string(), id: z.string() }).nullable(),
        details: z.record(z.string(), z.unknown()),
        outcome: z.enum(['done', 'refused', 'failed']),
      }),
    ),
    next: nextCursor,
  })
  .meta({ id: 'AuditPage' });

/** Reads about the fleet: its workers, the gates of sources, who did what. */
export function registerFleet(app: ApiScope, { database }: ServerContext): void {
  app.get(
    '/workers',
    {
      schema: operation({
        operationId: 'listWorkers',
        summary: 'List workers',
        description: 'The workers that are alive, the newest first.',
        tags: ['fleet'],
        response: { 200: workerList, 304: notModified },
        problems: [],
      }),
    },
    async () => {
      const rows = await listLiveWorkers(database);
      const workers = rows.map(({ id, host, pid, version, concurrency, startedAt, heartbeatAt }) => {
        const times = { startedAt: startedAt.toISOString(), heartbeatAt: heartbeatAt.toISOString() };
        return { id, host, pid, version, concurrency, ...times };
      });
      return { workers };
    },
  );

  app.get(
    '/gates',
    {
      schema: operation({
        operationId: 'listGates',
        summary: 'List gates',
        description: 'What lets requests to each source through, as the fleet shares it.',
        tags: ['fleet'],
        response: { 200: gateList, 304: notModified },
        problems: [],
      }),
    },
    async () => ({ gates: await listGates(database) }),
  );

  app.get(
    '/audit',
    {
      config: { access: 'operator' },
      schema: operation({
        operationId: 'listAudit',
        summary: 'List the audit log',
        description:
          'Who started, steered or changed what, and who signed in, the newest first, a page at a time. For operators.',
        tags: ['fleet'],
        querystring: z.strictObject({
          run: plainText.optional().meta({ description: 'Only what was done to this run.' }),
          limit: pageLimit(100),
          cursor: cursorParameter,
        }),
        response: { 200: auditPage, 304: notModified },
        problems: [400],
      }),
    },
    async ({ query: { run, limit, cursor } }) => {
      const [before] = fromCursor(cursor, z.tuple([z.int()])) ?? [];
      const rows = await listAudit(database, { run, before, limit: limit + 1 });
      const { items, next } = toPage(rows, limit, ({ id }) => [id]);
      const entries = items.map(({ targetKind, targetId, at, ...entry }) => {
        const target = targetKind === null || targetId === null ? null : { kind: targetKind, id: targetId };
        return { ...entry, at: at.toISOString(), target };
      });
      return { entries, next };
    },
  );
}
