import { z } from 'zod';
import { driftPolicies } from '../../domain/drift.ts';
import { exportFormats, failurePolicies, kinds, shapes, strategies } from '../../domain/harvest-request.ts';
import { relationForms } from '../../domain/relations.ts';
import { runReport, storedError } from '../../domain/report.ts';
import { runStates } from '../../domain/run.ts';
import { sliceStates } from '../../domain/slice.ts';
import { moment, nextCursor, plainText } from './operation.ts';

const count = z.int().min(0);
const wholeNumber = z.int();

/** What `POST /api/runs` takes. Neither the source's address nor a folder can be given: the operator has set both. */
export const startRequest = z
  .strictObject({
    dataset: z
      .string()
      .max(200)
      .regex(/^[a-z][a-z0-9-]*\/[^/\s\0]+$/u, 'source/entity, for example oda/Sag')
      .meta({ description: 'What to harvest, as `source/entity`.', examples: ['oda/Sag'] }),
    filter: plainText
      .nullable()
      .default(null)
      .meta({ description: "Only records that fit, in the source's own filter language; null for all." }),
    select: z
      .array(plainText)
      .min(1)
      .max(200)
      .nullable()
      .default(null)
      .meta({ description: 'Only these fields, and in files only: the table is left as it is. Null for all.' }),
    expand: z
      .array(plainText)
      .max(50)
      .nullable()
      .default(null)
      .meta({
        description:
          'Paths of relations: the records that they lead to are stored as well, as records of their own datasets. Null for none.',
        examples: [['SagAktør/Aktør']],
      }),
    relations: z.enum(relationForms).default('flat').meta({
      description:
        'What comes by `expand` in files: a file for each entity (`flat`), or inside its parents in JSON files (`nested`).',
    }),
    maxRecords: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .meta({ description: 'Stop after this many records, in key order; null for no limit.' }),
    strategy: z
      .enum(strategies)
      .nullable()
      .default(null)
      .meta({ description: 'How pages are walked; null for the best that the source can.' }),
    formats: z
      .array(z.enum(exportFormats))
      .max(exportFormats.length)
      .default(['ndjson', 'csv'])
      .meta({ description: 'Files to write; an empty list for none.' }),
    shape: z
      .enum(shapes)
      .default('source')
      .meta({ description: "The source's own fields in files, or Sheaf's common ones." }),
    onFailure: z
      .enum(failurePolicies)
      .default('stop')
      .meta({ description: 'When a slice fails for good: publish nothing (`stop`), or what there is (`partial`).' }),
    maxDeletes: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .default(null)
      .meta({ description: 'The share of the dataset that may be marked as deleted at once; null for 0.2.' }),
    mode: z.enum(kinds).default('sweep').meta({
      description:
        'All that was asked for (`sweep`), or only what has changed since the last complete run of the same (`step`; a sweep where there was none).',
    }),
    since: plainText
      .nullable()
      .default(null)
      .meta({
        description:
          "Of a step: from when on, by the source's clock and without a zone, instead of from where the last run left off.",
        examples: ['2025-01-31T12:00:00'],
      }),
    onDrift: z.enum(driftPolicies).default('accept').meta({
      description:
        "When fields differ from before, or from the source's metadata: go on and report it (`accept`), or publish nothing (`fail`).",
    }),
    keysOnly: z.boolean().default(false).meta({
      description:
        'Of a sweep: asks for keys and timestamps only, and marks what is gone. Brings no content: `formats` must be empty.',
    }),
  })
  .meta({ id: 'StartRun', examples: [{ dataset: 'oda/Afstemning', formats: ['ndjson'] }] });
export type StartRequest = z.infer<typeof startRequest>;

export const startedRun = z
  .object({ run: runReport.shape.run, dataset: runReport.shape.dataset })
  .meta({ id: 'StartedRun', examples: [{ run: '20261121-153012-x7k2', dataset: 'oda/Afstemning' }] });

const times = {
  createdAt: moment,
  finishedAt: moment.nullable(),
  generation: z
    .int()
    .min(1)
    .meta({ description: 'Goes up each time that a failed or partial run is set going again.' }),
};

export const runSummary = runReport
  .omit({ exports: true, drift: true, related: true })
  .extend(times)
  .meta({ id: 'RunSummary' });

export const report = runReport.meta({ id: 'RunReport' });

export const runPage = z.object({ runs: z.array(runSummary), next: nextCursor }).meta({ id: 'RunPage' });

const span = z.object({ after: wholeNumber, upto: wholeNumber }).meta({
  description: 'A half-open interval `(after, upto]` of keys, or of positions for the strategy `offset`.',
});

const timeWindow = z.object({ from: z.string(), before: z.string().nullable(), withUntimed: z.boolean() }).meta({
  description:
    "When the records that a step covers were last changed, by the source's clock; `before` is not part of it.",
});

const proof = z
  .object({
    holds: z.boolean(),
    reason: z.string().nullable(),
    slices: count,
    failedSlices: count,
    openSlices: count,
    isCovered: z.boolean(),
    stagedRows: count,
    ledgerRows: count,
    distinctKeys: count,
    rejects: count,
    countBefore: count.nullable(),
    countAfter: count.nullable(),
    upto: wholeNumber.nullable(),
    rereads: count,
    rereadSlices: count,
    isExtended: z.boolean(),
    window: timeWindow.nullable(),
    missing: count,
    deletesWithheld: z.string().nullable(),
    ahead: runReport.shape.ahead,
  })
  .partial() // runs of older versions have proofs without what came later
  .meta({ id: 'Proof', description: 'What verification found; the run is complete only when it holds.' });

export const gateFacts = {
  breaker: z.enum(['closed', 'open', 'half-open']),
  failures: count.meta({ description: 'Failed requests in a row, of all workers together.' }),
  closedForMs: z.number().min(0).meta({ description: 'For how much longer no request passes; 0 when they do.' }),
  learnt: z
    .object({ limit: z.number(), keptShare: z.number(), isGuess: z.boolean(), ageMs: z.number() })
    .nullable()
    .meta({ description: 'The requests a second that the source was found to bear of late; null for no limit found.' }),
  error: storedError.nullable().meta({ description: 'The last failure.' }),
};

export const runDetails = runReport
  .extend({
    ...times,
    sealedAt: moment.nullable().meta({ description: 'When its plan was whole; nothing is fetched before.' }),
    strategy: z.enum(strategies),
    window: timeWindow.nullable().meta({ description: 'What a step covers; null for a sweep.' }),
    ranges: z
      .array(span)
      .nullable()
      .meta({ description: 'What a repair covers, within `span`; null for any other run.' }),
    span,
    pageSize: count,
    request: startRequest.omit({ dataset: true }).partial().meta({ description: 'What was asked for.' }),
    proof: proof.nullable(),
    slices: z.record(z.enum(sliceStates), count).meta({ description: 'How many slices are in each state.' }),
    failures: z.array(z.object({ slice: count, message: z.string() })),
    workers: z.array(z.object({ id: count, host: z.string(), pid: count, slices: count })).meta({
      description: 'Workers that are alive, and how many slices of this run each holds.',
    }),
    gate: z.object(gateFacts),
    lastPageAt: moment.nullable(),
  })
  .meta({ id: 'Run' });

export const slicePage = z
  .object({
    slices: z.array(
      z.object({
        slice: count,
        state: z.enum(sliceStates),
        span,
        cursor: wholeNumber.nullable().meta({ description: 'Everything up to here is staged.' }),
        attempt: count,
        failures: count,
        worker: count.nullable(),
        pages: count,
        records: count,
        rejects: count,
        requests: count,
        retries: count,
        bytes: count,
        error: storedError.nullable(),
        updatedAt: moment,
        stagedAt: moment.nullable(),
      }),
    ),
    next: nextCursor,
  })
  .meta({ id: 'SlicePage' });

/** One state, or several: `state=failed&state=partial`. */
export const runStateParameter = oneOrMore(z.enum(runStates)).optional().meta({
  description: 'Only runs in this state; may be given several times.',
});
export const sliceStateParameter = oneOrMore(z.enum(sliceStates)).optional().meta({
  description: 'Only slices in this state; may be given several times.',
});

/** A parameter that may be given several times. */
export function oneOrMore<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(schema).min(1).max(100));
}
