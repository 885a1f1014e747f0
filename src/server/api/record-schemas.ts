import { z } from 'zod';
import { changeKinds } from '../../db/queries/changes.ts';
import { fieldTypes } from '../../domain/record.ts';
import { runStates } from '../../domain/run.ts';
import { cursorParameter, moment, nextCursor, plainText } from './operation.ts';
import { oneOrMore } from './run-schemas.ts';

const count = z.int().min(0);

export const datasetParameter = z.object({
  source: z
    .string()
    .max(100)
    .meta({ examples: ['oda'] }),
  entity: z
    .string()
    .max(200)
    .meta({ examples: ['Sag'] }),
});

export const recordParameter = datasetParameter.extend({ key: plainText.meta({ examples: ['4711'] }) });

const lastRun = z.object({ run: z.string(), state: z.enum(runStates), createdAt: z.iso.datetime({ offset: true }) });

export const dataset = z
  .object({
    dataset: z.string(),
    rows: count.meta({ description: 'Records that are there now.' }),
    isEstimate: z.boolean().meta({ description: 'True when `rows` is estimated: counting would take too long.' }),
    keyField: z.string(),
    fields: z.array(z.object({ name: z.string(), type: z.enum(fieldTypes), isNullable: z.boolean() })),
    createdAt: moment.meta({ description: 'When it was first harvested.' }),
    lastRun: lastRun.nullable(),
    lastCompleteRun: lastRun.nullable(),
    partitions: z
      .array(z.object({ table: z.string(), bytes: count, estimatedRows: count.nullable() }))
      .meta({ description: 'The tables that hold its records; bytes with their indexes.' }),
  })
  .meta({ id: 'Dataset' });

export const datasetPage = z.object({ datasets: z.array(dataset), next: nextCursor }).meta({ id: 'DatasetPage' });

export const record = z
  .object({
    key: z.string(),
    data: z.record(z.string(), z.unknown()).meta({ description: "The source's own fields, digit for digit." }),
    sourceTimestamp: z
      .string()
      .nullable()
      .meta({ description: "When it last changed, in the source's own local time." }),
    firstSeenAt: moment,
    changedAt: moment.meta({ description: 'When Sheaf last wrote it.' }),
    deletedAt: moment
      .nullable()
      .meta({ description: 'When it was found gone from the source; null while it is there.' }),
  })
  .meta({ id: 'Record' });

export const recordPage = z.object({ records: z.array(record), next: nextCursor }).meta({ id: 'RecordPage' });

/** Names with commas between them. */
const names = z
  .string()
  .max(4_000)
  .regex(/^[^\0]+$/)
  .transform((text) => text.split(',').map((name) => name.trim()))
  .meta({ description: 'Only these fields of the data, with commas between them.', examples: ['id,titel'] });

/** A time with its zone, as a parameter. A plus sign must be written %2B in a URL. */
export const timeParameter = z.iso
  .datetime({ offset: true, error: 'a time with its zone, like 2026-11-21T15:30:12Z (write + as %2B)' })
  .refine((text) => Date.parse(text) > 0, 'a time after 1970');

export const recordQuery = z.strictObject({
  key: oneOrMore(plainText).optional().meta({ description: 'Only this key; may be given up to 100 times.' }),
  changedSince: timeParameter.optional().meta({ description: 'Only records written, or gone, at this time or later.' }),
  text: plainText
    .optional()
    .meta({ description: 'Only records with this text in one of their values; case does not matter.' }),
  deleted: z
    .enum(['without', 'with', 'only'])
    .default('without')
    .meta({ description: 'Whether records count that are gone from the source.' }),
  fields: names.optional(),
  format: z
    .enum(['json', 'ndjson', 'csv'])
    .optional()
    .meta({ description: 'Instead of `Accept`: a page of JSON, or a stream of everything that fits.' }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .meta({ description: 'How many records at most. Left out: 100 in a page, and everything in a stream.' }),
  cursor: cursorParameter,
});
export type RecordQuery = z.infer<typeof recordQuery>;

export const change = z
  .object({
    dataset: z.string(),
    key: z.string(),
    kind: z.enum(changeKinds),
    at: moment.meta({
      description: 'When it was merged, to the microsecond: of one dataset, later merges have later times.',
    }),
    run: z.string().meta({ description: 'The run that found it.' }),
    fields: z.array(z.string()).nullable().meta({ description: 'Of an update, the fields that differ.' }),
    otherKey: z
      .string()
      .nullable()
      .meta({ description: 'Re-keyed: the key that a deleted record came back under, or that an inserted one had.' }),
  })
  .meta({ id: 'Change' });

export const changePage = z.object({ changes: z.array(change), next: nextCursor }).meta({ id: 'ChangePage' });
