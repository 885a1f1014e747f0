import type { Missing } from '../db/queries/missing.ts';
import { countAhead, countMissing } from '../db/queries/missing.ts';
import type { RunRow } from '../db/schema.ts';
import { DEFAULT_MAX_DELETES, seesAll } from '../domain/harvest-request.ts';
import type { Proof } from '../domain/proof.ts';
import type { WorkContext } from './work-context.ts';

/** The whole of a proof that holds: what the source no longer has, and, of a look at keys, what the copy lacks. */
export async function proveDeletes({ database }: HasDatabase, run: RunRow, proof: Proof): Promise<Proof> {
  const [{ missing, withheld }, ahead] = await Promise.all([
    judgeDeletes({ database }, run),
    run.request.keysOnly ? countAhead(database, run) : null,
  ]);
  return { ...proof, missing, deletesWithheld: withheld, ahead };
}

type HasDatabase = Pick<WorkContext, 'database'>;

/** What a run says about records that the source no longer has. */
interface DeletesVerdict {
  /** Records that are to be marked as deleted. */
  readonly missing: number;
  /** Why none of them is, for a person; null when they are. */
  readonly withheld: string | null;
}

/**
 * Whether what a run did not see may be marked as deleted: only by a sweep that was proved complete, and never more than
 * a set share at once, since a source that is half empty is more likely ill than emptied.
 */
async function judgeDeletes({ database }: HasDatabase, run: RunRow): Promise<DeletesVerdict> {
  if (!seesAll(run)) return { missing: 0, withheld: null };
  const counts = await countMissing(database, run);
  const again = run.ranges === null ? 'harvest again' : 'repair again';
  return {
    missing: counts.missing,
    withheld: whyWithheld(counts, run.request.maxDeletes ?? DEFAULT_MAX_DELETES, again),
  };
}

/** Pure: why the missing records are left as they are; null when they may be marked, or there is none. */
export function whyWithheld({ live, missing, unnamed }: Missing, maxShare: number, again: string): string | null {
  if (missing === 0) return null;
  if (unnamed > 0) {
    return (
      `${missing} records were not seen, but ${unnamed} rows came without a key that can be read and may be among them: ` +
      `nothing was marked as deleted. See them with \`sheaf rejects list\`; once the source is well, ${again}`
    );
  }
  const share = missing / live;
  if (share <= maxShare) return null;
  return (
    `${missing} of ${live} records (${percent(share)}) were not seen, more than the ${percent(maxShare)} that may be ` +
    `marked as deleted at once: nothing was. If the source is right, ${again} with a higher --max-deletes, here ${Math.ceil(share * 100)} or more`
  );
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}
