import { z } from 'zod';
import { getReject, pageOfRejects } from '../../db/queries/reject-list.ts';
import type { ListedReject } from '../../db/queries/rejects.ts';
import { resolveRun } from '../../db/queries/runs.ts';
import { replayReport } from '../../domain/replay-report.ts';
import { checkRunReference } from '../../domain/run.ts';
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

const reject = z
  .object({
    id: z.int(),
    run: z.string(),
    dataset: z.string(),
    slice: z.int(),
    key: z.string().nullable(),
    reason: z.string().meta({ description: 'Stable; docs/errors.md lists them all.', examples: ['bad-key'] }),
    detail: z.string(),
    rejectedAt: moment,
    replayedAt: moment.nullable(),
    outcome: z.enum(['taken', 'superseded', 'rejected']).nullable().meta({ description: 'What came of replaying it.' }),
  })
  .meta({ id: 'Reject' });

const rejectPage = z.object({ rejects: z.array(reject), next: nextCursor }).meta({ id: 'RejectPage' });

const rejectWithRecord = reject
  .extend({ record: z.string().meta({ description: 'The text that the source sent.' }) })
  .meta({ id: 'RejectWithRecord' });

/** Reads about rejects. */
export function registerRejects(app: ApiScope, { database }: ServerContext): void {
  app.get(
    '/rejects',
    {
      schema: operation({
        operationId: 'listRejects',
        summary: 'List rejects',
        description: 'Records that could not be taken, the newest first, without their texts, a page at a time.',
        tags: ['rejects'],
        querystring: z.strictObject({
          run: plainText
            .optional()
            .meta({ description: 'Only rejects of this run: its id, an end of it, or `latest`.' }),
          dataset: plainText.optional().meta({ description: 'Only rejects of this dataset.', examples: ['oda/Sag'] }),
          reason: plainText.optional().meta({ description: 'Only rejects with this reason.' }),
          limit: pageLimit(100),
          cursor: cursorParameter,
        }),
        response: { 200: rejectPage, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ query: { run: reference, limit, cursor, ...filter } }) => {
      const run = reference === undefined ? undefined : await resolveRun(database, checkRunReference(reference));
      const [before] = fromCursor(cursor, z.tuple([z.int()])) ?? [null];
      const rows = await pageOfRejects(database, { ...filter, run: run?.id, before, limit: limit + 1 });
      const { items, next } = toPage(rows, limit, ({ id }) => [id]);
      return { rejects: items.map(toFacts), next };
    },
  );

  app.get(
    '/rejects/:reject',
    {
      schema: operation({
        operationId: 'getReject',
        summary: 'Show a reject',
        description: 'One reject with the text that the source sent.',
        tags: ['rejects'],
        params: z.object({ reject: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) }),
        response: { 200: rejectWithRecord, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params }) => {
      const found = await getReject(database, params.reject);
      return { ...toFacts(found), record: found.record };
    },
  );
}

/** Takes rejects anew. */
export function registerRejectActions(app: ApiScope, { replayRejects }: ServerContext): void {
  app.post(
    '/rejects/replay',
    {
      schema: operation({
        operationId: 'replayRejects',
        summary: 'Replay rejects',
        description:
          'Takes rejects anew with this version of Sheaf, unless something newer is known of them. Answers when all have been tried.',
        tags: ['rejects'],
        body: z.strictObject({
          of: plainText.meta({ description: 'A run, or a dataset as `source/entity`.', examples: ['oda/Sag'] }),
          reason: plainText.nullable().default(null).meta({ description: 'Only rejects with this reason.' }),
          dryRun: z.boolean().default(false).meta({ description: 'Say what would come of it, and write nothing.' }),
        }),
        response: { 200: replayReport },
        problems: [400, 404, 409, 413, 415],
      }),
    },
    async ({ body: { of, reason, dryRun }, actor }) => {
      const { runs, skipped, ...rest } = await replayRejects({ of, reason, isDryRun: dryRun }, actor);
      return { ...rest, runs: [...runs], skipped: [...skipped] };
    },
  );
}

function toFacts(row: ListedReject): z.infer<typeof reject> {
  const { id, runId: run, dataset, sliceNumber: slice, key, reason, detail, outcome } = row;
  const times = { rejectedAt: row.createdAt.toISOString(), replayedAt: row.replayedAt?.toISOString() ?? null };
  return { id, run, dataset, slice, key, reason, detail, ...times, outcome };
}
