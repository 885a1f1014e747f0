import { z } from 'zod';
import type { Database } from '../../db/database.ts';
import { pageOfChanges } from '../../db/queries/changes.ts';
import { countRecords, type ListedDataset, pageOfDatasets } from '../../db/queries/dataset-list.ts';
import { getDataset } from '../../db/queries/datasets.ts';
import { datasetName, parseDataset } from '../../domain/dataset.ts';
import type { ReadContext } from '../browsing.ts';
import { fromCursor, toPage } from './cursor.ts';
import { type ApiScope, cursorParameter, notModified, operation, pageLimit, plainText } from './operation.ts';
import { changePage, dataset, datasetPage, datasetParameter, timeParameter } from './record-schemas.ts';

/** Reads about datasets: the list, one, what changed. */
export function registerDatasets(app: ApiScope, { browsing }: ReadContext): void {
  app.get(
    '/datasets',
    {
      schema: operation({
        operationId: 'listDatasets',
        summary: 'List datasets',
        description: 'What has been harvested, by name, a page at a time.',
        tags: ['datasets'],
        querystring: z.strictObject({ limit: pageLimit(50, 200), cursor: cursorParameter }),
        response: { 200: datasetPage, 304: notModified },
        problems: [400],
      }),
    },
    async ({ query: { limit, cursor } }) => {
      const [after] = fromCursor(cursor, z.tuple([plainText])) ?? [null];
      const rows = await pageOfDatasets(browsing, { name: null, after, limit: limit + 1 });
      const { items, next } = toPage(rows, limit, ({ name }) => [name]);
      const datasets: z.infer<typeof dataset>[] = [];
      for (const each of items) datasets.push(await describe(browsing, each));
      return { datasets, next };
    },
  );

  app.get(
    '/datasets/:source/:entity',
    {
      schema: operation({
        operationId: 'getDataset',
        summary: 'Show a dataset',
        description: 'Its fields, how much it holds and in which tables, and the runs that last went over it.',
        tags: ['datasets'],
        params: datasetParameter,
        response: { 200: dataset, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params }) => {
      const { name } = await getDataset(browsing, datasetName(parseDataset(datasetName(params))));
      const [found] = await pageOfDatasets(browsing, { name, after: null, limit: 1 });
      if (found === undefined) throw new Error(`dataset ${name} has gone`);
      return describe(browsing, found);
    },
  );

  app.get(
    '/datasets/:source/:entity/changes',
    {
      schema: operation({
        operationId: 'listChanges',
        summary: "List a dataset's changes",
        description:
          'What runs have inserted, updated and deleted, in the order in which it was merged, a page at a time. Kept for SHEAF_CHANGES_MONTHS.',
        tags: ['datasets'],
        params: datasetParameter,
        querystring: z.strictObject({
          since: timeParameter.optional().meta({ description: 'Only changes at this time or later.' }),
          limit: pageLimit(100),
          cursor: cursorParameter,
        }),
        response: { 200: changePage, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params, query: { since = null, limit, cursor } }) => {
      const { name } = await getDataset(browsing, datasetName(parseDataset(datasetName(params))));
      const [at, key] = fromCursor(cursor, z.tuple([z.iso.datetime(), plainText])) ?? [null, null];
      const after = at === null ? null : { at, key };
      const rows = await pageOfChanges(browsing, name, { since, after, limit: limit + 1 });
      const { items, next } = toPage(rows, limit, (change) => [change.at, change.key]);
      return { changes: items.map((change) => ({ dataset: name, ...change })), next };
    },
  );
}

async function describe(browsing: Database, listed: ListedDataset): Promise<z.infer<typeof dataset>> {
  const { name, keyField, fields, createdAt, lastRun, lastCompleteRun, partitions } = listed;
  return {
    dataset: name,
    ...(await countRecords(browsing, listed)),
    keyField,
    fields: [...fields],
    createdAt: createdAt.toISOString(),
    lastRun,
    lastCompleteRun,
    partitions: [...partitions],
  };
}
