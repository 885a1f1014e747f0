import { z } from 'zod';

const count = z.int().min(0);

const replayCounts = {
  taken: count.meta({ description: 'Are in the table now.' }),
  superseded: count.meta({ description: 'Were left alone: something newer is known of them.' }),
  rejected: count.meta({ description: 'Still cannot be taken.' }),
};

/** What `sheaf rejects replay --json` prints, and the API answers. Scripts rely on these names. */
export const replayReport = z
  .object({
    of: z.string().nullable().meta({ description: 'The run or dataset whose rejects these are.' }),
    dryRun: z.boolean().meta({ description: 'True: nothing was written.' }),
    ...replayCounts,
    runs: z.array(z.object({ run: z.string(), dataset: z.string(), ...replayCounts })).readonly(),
    skipped: z
      .array(z.object({ run: z.string(), rejects: count, reason: z.string() }))
      .readonly()
      .meta({ description: 'Runs of the dataset whose rejects cannot be replayed, and are not counted.' }),
  })
  .meta({ id: 'ReplayReport' });
export type ReplayReport = Readonly<z.infer<typeof replayReport>>;
export type ReplayedRun = ReplayReport['runs'][number];
