import type { FastifyInstance } from 'fastify';
import {
  browseRecords,
  listDatasetLines,
  listGrowth,
  listPartitions,
  type RecordSearch,
} from '../../../db/queries/dataset-lines.ts';
import { findDataset } from '../../../db/queries/datasets.ts';
import { listRunLines } from '../../../db/queries/run-lines.ts';
import { UsageError } from '../../../domain/errors.ts';
import type { ReadContext } from '../../browsing.ts';
import { sendPage } from '../layout.ts';
import type { Live } from '../live/watches.ts';
import { renderDataset } from './dataset-view.ts';
import { renderDatasets } from './view.ts';

const RECORDS_ON_A_PAGE = 10;
const RUNS_SHOWN = 10;
/** Looking for a text reads every record: it may take so long, in milliseconds. */
const SEARCH_LIMIT_MS = 3_000;
/** PostgreSQL ended a statement that took too long. */
const TOO_LONG = '57014';

interface OfDataset {
  readonly Params: { readonly source: string; readonly entity: string };
  readonly Querystring: Readonly<Record<string, unknown>>;
}

/** The list of datasets, and the page of each. */
export function registerDatasets(app: FastifyInstance, { browsing, enterSearch }: ReadContext, { pace }: Live): void {
  app.get('/datasets', async (request, reply) => {
    const content = renderDatasets(await listDatasetLines(browsing), new Date());
    return sendPage(request, reply, { title: 'Datasets', content });
  });

  app.get<OfDataset>('/datasets/:source/:entity', async (request, reply) => {
    const name = `${request.params.source}/${request.params.entity}`;
    const search = readSearch(request.query);
    const leave = search.text === null ? null : enterSearch();
    const content = await show(name, search).finally(leave);
    return sendPage(request, reply, { title: name, content });
  });

  async function show(name: string, search: RecordSearch): Promise<string> {
    const [[line], dataset] = await Promise.all([listDatasetLines(browsing, name), findDataset(browsing, name)]);
    if (line === undefined || dataset === undefined) throw unknownDataset(name);
    const [partitions, growth, runs, found] = await Promise.all([
      listPartitions(browsing, name),
      listGrowth(browsing, name),
      listRunLines(browsing, { dataset: name }, { limit: RUNS_SHOWN, offset: 0 }),
      find(name, search),
    ]);
    const now = new Date();
    const lines = runs.map((run) => ({ line: run, progress: pace.measure(run, now.getTime()) }));
    return renderDataset({ line, dataset, partitions, growth, lines, search, found, now });
  }

  /** One record more than are shown, to know whether there are more; null when it took too long. */
  async function find(name: string, search: RecordSearch) {
    const options = { search, limit: RECORDS_ON_A_PAGE + 1, limitMs: SEARCH_LIMIT_MS };
    const records = await browseRecords(browsing, name, options).catch((error: unknown) => {
      if ((error as { code?: string }).code === TOO_LONG) return null;
      throw error;
    });
    return records === null
      ? null
      : { records: records.slice(0, RECORDS_ON_A_PAGE), hasMore: records.length > RECORDS_ON_A_PAGE };
  }
}

function readSearch(query: OfDataset['Querystring']): RecordSearch {
  const typed = (name: string) => {
    const value = query[name];
    return typeof value === 'string' && value.trim() !== '' ? value.trim().replaceAll('\0', '') : null;
  };
  return { key: typed('key'), text: typed('text'), after: typed('after') };
}

function unknownDataset(name: string): UsageError {
  return new UsageError(`There is no dataset ${name} here: it has not been harvested yet.`, {
    code: 'unknown-dataset',
    facts: { dataset: name },
  });
}
