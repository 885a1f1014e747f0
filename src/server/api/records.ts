import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type BrowsedRecord, pageOfRecords, type RecordFilter } from '../../db/queries/browse-records.ts';
import { getDataset } from '../../db/queries/datasets.ts';
import type { DatasetRow } from '../../db/schema.ts';
import { datasetName, parseDataset } from '../../domain/dataset.ts';
import { UsageError } from '../../domain/errors.ts';
import { didYouMean } from '../../domain/nearest.ts';
import type { ReadContext } from '../browsing.ts';
import { RequestError } from '../problem.ts';
import type { StreamFormat } from '../server-context.ts';
import { attachment } from './attachment.ts';
import { fromCursor, toPage } from './cursor.ts';
import { type ApiScope, notModified, operation, plainText } from './operation.ts';
import {
  datasetParameter,
  type RecordQuery,
  record,
  recordPage,
  recordParameter,
  recordQuery,
} from './record-schemas.ts';
import { openRecordStream } from './record-stream.ts';

const PAGE = 100;

const DESCRIPTION = `The current records in the order of their keys, numbers as numbers.

As JSON a page at a time, with what Sheaf knows of each record. As NDJSON or CSV, asked for by \`Accept\` or \`format\`, a
stream of everything that fits, the records alone. A stream that breaks off before its end (a chunked transfer without its last chunk)
is not whole; a client that takes nothing for a minute is cut off.`;

/** Reads of a dataset's records. */
export function registerRecords(app: ApiScope, context: ReadContext): void {
  app.get(
    '/datasets/:source/:entity/records',
    {
      exposeHeadRoute: false,
      schema: operation({
        operationId: 'listRecords',
        summary: "List a dataset's records",
        description: DESCRIPTION,
        tags: ['datasets'],
        params: datasetParameter,
        querystring: recordQuery,
        response: {
          200: {
            description: 'A page, or everything.',
            content: {
              'application/json': { schema: recordPage },
              'application/x-ndjson': { schema: z.string().meta({ description: 'A record a line.' }) },
              'text/csv': { schema: z.string().meta({ description: 'RFC 4180 with a header.' }) },
            },
          },
          304: notModified,
        },
        problems: [400, 404, 406],
      }),
    },
    async (request, typedReply) => {
      const reply = asPlain(typedReply);
      const dataset = await getDataset(context.browsing, datasetName(parseDataset(datasetName(request.params))));
      reply.header('vary', 'accept');
      const format = request.query.format ?? acceptedFormat(request.headers.accept);
      if (format === 'json') return sendJson(reply, await readPage(context, dataset, request.query));
      return sendStream(request, reply, { context, dataset, format, query: request.query });
    },
  );

  app.get(
    '/datasets/:source/:entity/records/:key',
    {
      schema: operation({
        operationId: 'getRecord',
        summary: 'Show a record',
        description: 'One record by its key, also when it is gone from the source: `deletedAt` says so.',
        tags: ['datasets'],
        params: recordParameter,
        response: { 200: record, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params: { key, ...named } }, reply) => {
      const { name } = await getDataset(context.browsing, datasetName(parseDataset(datasetName(named))));
      const filter = { ...EVERYTHING, dataset: name, keys: [key], deleted: 'with' } as const;
      const [found] = await pageOfRecords(context.browsing, filter, null);
      if (found !== undefined) return sendJson(asPlain(reply), recordText(found));
      throw new UsageError(`${name} has no record with the key ${key}.`, { code: 'unknown-record', facts: { key } });
    },
  );
}

const EVERYTHING = {
  keys: null,
  changedSince: null,
  text: null,
  deleted: 'without',
  after: null,
  limit: null,
} as const;

function filterOf({ name }: DatasetRow, query: RecordQuery, limit: number | null): RecordFilter {
  const [after] = fromCursor(query.cursor, z.tuple([plainText])) ?? [null];
  return {
    dataset: name,
    keys: query.key ?? null,
    changedSince: query.changedSince === undefined ? null : new Date(query.changedSince),
    text: query.text ?? null,
    deleted: query.deleted,
    after,
    limit,
  };
}

/** The text of a page: the records in it are never parsed. */
async function readPage({ browsing }: ReadContext, dataset: DatasetRow, query: RecordQuery): Promise<string> {
  const limit = query.limit ?? PAGE;
  const rows = await pageOfRecords(browsing, filterOf(dataset, query, limit + 1), fieldsOf(dataset, query));
  const { items, next } = toPage(rows, limit, ({ key }) => [key]);
  return `{"records":[${items.map(recordText).join(',')}],"next":${JSON.stringify(next)}}`;
}

function recordText({ data, key, ...facts }: BrowsedRecord): string {
  const { sourceTimestamp, firstSeenAt, changedAt, deletedAt } = facts;
  const rest = JSON.stringify({ sourceTimestamp, firstSeenAt, changedAt, deletedAt });
  return `{"key":${JSON.stringify(key)},"data":${data},${rest.slice(1)}`;
}

/** What is sent as text, or as a stream, has its type checked by nobody; the tests hold it against the schema. */
function asPlain(reply: unknown): FastifyReply {
  return reply as FastifyReply;
}

function sendJson(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text);
}

const TYPES: Readonly<Record<StreamFormat, string>> = { ndjson: 'application/x-ndjson', csv: 'text/csv' };

interface Streaming {
  readonly context: ReadContext;
  readonly dataset: DatasetRow;
  readonly format: StreamFormat;
  readonly query: RecordQuery;
}

async function sendStream(
  request: Pick<FastifyRequest, 'routeOptions'>,
  reply: FastifyReply,
  { context, dataset, format, query }: Streaming,
): Promise<FastifyReply> {
  const fields = fieldsOf(dataset, query);
  const names = dataset.fields.map(({ name }) => name);
  const stream = await openRecordStream(context, {
    filter: filterOf(dataset, query, query.limit ?? null),
    fields,
    format,
    columns: fields === null ? names : names.filter((name) => fields.includes(name)),
    path: request.routeOptions.url ?? '',
  });
  return reply
    .type(`${TYPES[format]}; charset=utf-8`)
    .header('content-disposition', attachment(`${dataset.name.replace('/', '-')}.${format}`))
    .send(stream);
}

/** Null for all. Throws a UsageError for a field that the dataset does not have. */
function fieldsOf(dataset: DatasetRow, { fields }: RecordQuery): readonly string[] | null {
  if (fields === undefined) return null;
  const known = dataset.fields.map(({ name }) => name);
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown === undefined) return fields;
  throw new UsageError(`${dataset.name} has no field "${unknown}".${didYouMean(unknown, known)}`, {
    code: 'unknown-field',
    facts: { asked: unknown },
  });
}

/** The first format that the client names; JSON where it takes anything. */
function acceptedFormat(accept: string | undefined): 'json' | StreamFormat {
  const asked = (accept ?? '*/*').split(',').map((range) => range.split(';', 1)[0]?.trim().toLowerCase() ?? '');
  for (const type of asked) {
    if (type === TYPES.ndjson) return 'ndjson';
    if (type === TYPES.csv) return 'csv';
    if (['application/json', 'application/*', '*/*'].includes(type)) return 'json';
  }
  throw new RequestError('Records are to be had as application/json, application/x-ndjson and text/csv.', {
    status: 406,
    code: 'not-acceptable',
  });
}
