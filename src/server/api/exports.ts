import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { listExports } from '../../db/queries/exports.ts';
import { resolveRun } from '../../db/queries/runs.ts';
import type { RunRow } from '../../db/schema.ts';
import { UsageError } from '../../domain/errors.ts';
import { type ExportFormat, exportFormats } from '../../domain/harvest-request.ts';
import { type ExportedFile, exportedFile } from '../../domain/report.ts';
import { checkRunReference } from '../../domain/run.ts';
import type { ServerContext } from '../server-context.ts';
import { attachment } from './attachment.ts';
import { type ApiScope, notModified, operation, plainText } from './operation.ts';
import { runParameter } from './runs.ts';

const exportList = z.object({ run: z.string(), exports: z.array(exportedFile) }).meta({ id: 'ExportList' });

const TYPES: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  json: 'application/json; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
};

/** The files that a run has written. */
export function registerExports(app: ApiScope, { database }: ServerContext): void {
  app.get(
    '/runs/:run/exports',
    {
      schema: operation({
        operationId: 'listExports',
        summary: "List a run's files",
        description: 'The files that the run has published, with their sums.',
        tags: ['runs'],
        params: runParameter,
        response: { 200: exportList, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params }) => {
      const { id: run, generation } = await resolveRun(database, checkRunReference(params.run));
      return { run, exports: await listExports(database, { run, generation }) };
    },
  );

  app.get(
    '/runs/:run/exports/:format',
    {
      exposeHeadRoute: false,
      schema: operation({
        operationId: 'downloadExport',
        summary: "Download a run's file",
        description: 'The file as it was published. The ETag is its SHA-256.',
        tags: ['runs'],
        params: runParameter.extend({ format: z.enum(exportFormats) }),
        querystring: z.strictObject({
          dataset: plainText.optional().meta({
            description:
              "Whose records the file holds, where the run has followed relations; the run's own by default.",
            examples: ['oda/Aktør'],
          }),
        }),
        response: {
          200: {
            description: 'The file.',
            content: {
              'application/x-ndjson': { schema: z.string().meta({ description: 'A record a line.' }) },
              'application/json': { schema: z.array(z.record(z.string(), z.unknown())) },
              'text/csv': { schema: z.string().meta({ description: 'RFC 4180 with a header.' }) },
            },
          },
          304: notModified,
        },
        problems: [400, 404],
      }),
    },
    async ({ params, query, headers }, typedReply) => {
      const reply = typedReply as unknown as FastifyReply;
      const run = await resolveRun(database, checkRunReference(params.run));
      const file = await findExport(database, run, { format: params.format, dataset: query.dataset ?? run.dataset });
      const etag = `"${file.sha256}"`;
      reply.header('etag', etag);
      if (headers['if-none-match'] === etag) return reply.code(304).send();
      const handle = await openExport(run, file);
      return reply
        .type(TYPES[file.format])
        .header('content-length', file.bytes)
        .header('content-disposition', attachment(basename(file.path)))
        .send(handle.createReadStream());
    },
  );
}

async function findExport(
  database: ServerContext['database'],
  { id, generation }: RunRow,
  { format, dataset }: Pick<ExportedFile, 'format' | 'dataset'>,
): Promise<ExportedFile> {
  const files = await listExports(database, { run: id, generation });
  const file = files.find((each) => each.format === format && each.dataset === dataset);
  if (file !== undefined) return file;
  throw new UsageError(`Run ${id} has written no ${format} file of ${dataset}.`, {
    code: 'unknown-export',
    facts: { run: id },
  });
}

/**
 * Opens a file that the ledger knows, if it is still what was published: a file of its own, of the same size, in the run's own folder.
 * The ledger's word alone is not enough: whoever may write there could put a link to any file in its place.
 */
async function openExport(run: RunRow, file: ExportedFile): Promise<FileHandle> {
  const gone = (cause?: unknown) =>
    new UsageError(`The ${file.format} file of run ${run.id} is not on this machine any more, or not as it was.`, {
      code: 'export-gone',
      facts: { run: run.id, format: file.format },
      cause,
    });
  const handle = await openInside(join(run.request.out, run.dataset.replace('/', '-'), run.id), file.path).catch(
    (error: unknown) => {
      throw gone(error);
    },
  );
  const stats = await handle.stat();
  if (stats.isFile() && stats.size === file.bytes) return handle;
  await handle.close();
  throw gone();
}

/** Opens a file that lies below a folder, itself no link, and not led out of it by one. */
async function openInside(folder: string, path: string): Promise<FileHandle> {
  const [root, directory] = await Promise.all([realpath(folder), realpath(dirname(path))]);
  if (directory !== root && !directory.startsWith(`${root}${sep}`)) throw new Error(`${path} is not in ${folder}`);
  return open(join(directory, basename(path)), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}
