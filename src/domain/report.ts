import { z } from 'zod';
import { driftKinds } from './drift.ts';
import { exportFormats, runKinds } from './harvest-request.ts';
import { runStates } from './run.ts';

/** One way in which a dataset is not what it was, or not what it is said to be. */
export const drift = z
  .object({
    kind: z.enum(driftKinds).meta({ description: 'docs/drift.md says what each means.' }),
    field: z.string().meta({ description: 'The field; the view, of `view-kept`.' }),
    was: z.string().nullable().meta({ description: 'The type that it had, or has by the metadata.' }),
    is: z.string().nullable().meta({ description: 'The type that it has now, or that came.' }),
    key: z.string().nullable().meta({ description: 'A record that has it; null where metadata have drifted.' }),
  })
  .readonly()
  .meta({ id: 'Drift' });
export type Drift = z.infer<typeof drift>;

const count = z.int().min(0);

/** An error as the ledger keeps it; see `StoredError`. */
export const storedError = z
  .object({
    code: z.string().meta({ description: 'Stable; docs/errors.md lists them all.', examples: ['http-503'] }),
    message: z.string().meta({ description: 'What happened, where, and what to do.' }),
    facts: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]).optional())
      .meta({ description: 'What programs may rely on.' }),
  })
  .readonly()
  .meta({ id: 'StoredError' });

export const exportedFile = z
  .object({
    format: z.enum(exportFormats),
    path: z.string().meta({ description: 'Where the machine that wrote it has it.' }),
    records: count,
    bytes: count,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    dataset: z.string().meta({ description: "Whose records it holds: the run's own, or those that came nested." }),
  })
  .readonly()
  .meta({ id: 'ExportedFile' });
export type ExportedFile = z.infer<typeof exportedFile>;

const relatedReport = z
  .object({
    dataset: z.string().meta({ examples: ['oda/SagAktør'] }),
    records: count.meta({ description: 'Different records that came, in however many parents.' }),
    inserted: count,
    updated: count,
    unchanged: count,
    rejected: count,
  })
  .readonly()
  .meta({ id: 'RelatedRecords' });
export type RelatedReport = z.infer<typeof relatedReport>;

/** What `--json` prints for a run, and the API says of it. Scripts rely on these names. */
export const runReport = z.object({
  run: z.string().meta({ examples: ['20261121-153012-x7k2'] }),
  dataset: z.string().meta({ examples: ['oda/Sag'] }),
  kind: z.enum(runKinds).meta({
    description:
      'Over all that was asked for (`sweep`), over what has changed (`step`), over all keys without content (`keys-only`), or over what was found to differ (`repair`).',
  }),
  state: z.enum(runStates),
  reason: z.string().nullable().meta({ description: 'Why it is not complete; null when there is nothing to say.' }),
  expected: count.nullable().meta({ description: 'What the source said there was; null when it does not count.' }),
  records: count,
  pages: count,
  requests: count,
  retries: count,
  inserted: count,
  updated: count,
  unchanged: count,
  deleted: count,
  rekeyed: count.meta({
    description: 'Records that went and came back under another key: neither inserted nor deleted.',
  }),
  rejected: count,
  deletesWithheld: z.string().nullable().meta({
    description:
      'Why records that a sweep did not see were not marked as deleted; null when they were, or all were seen.',
  }),
  ahead: z.object({ added: count, changed: count }).nullable().meta({
    description:
      'Of a keys-only sweep: records that the source has and the copy has not (`added`), and records whose timestamp is not the copy’s (`changed`). Null for any other run.',
  }),
  durationMs: count,
  exports: z.array(exportedFile).readonly(),
  related: z.array(relatedReport).readonly().meta({
    description: 'What came of records of other datasets that came nested (`expand`); empty where none did.',
  }),
  drift: z.array(drift).readonly().meta({
    description:
      "In what fields differ from before, or from the source's metadata; each kind once a field, 200 at most.",
  }),
  error: storedError.nullable(),
});
export type RunReport = Readonly<z.infer<typeof runReport>>;
