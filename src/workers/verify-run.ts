import { listSlices, sliceTotals } from '../db/queries/slices.ts';
import { countDistinctKeys, createStaging, stagedBySlice } from '../db/queries/staging.ts';
import type { RunRow } from '../db/schema.ts';
import { GateClosedError, TransientError } from '../domain/errors.ts';
import type { Proof } from '../domain/report.ts';
import { sliceStates } from '../domain/slice.ts';
import { findGap } from '../domain/span.ts';
import type { SourceQuery } from '../sources/source.ts';
import type { WorkContext } from './work-context.ts';

export type Verdict =
  /** Rows that the ledger counts are not in the staging table: PostgreSQL crashed. These slices must be fetched again. */
  { readonly kind: 'lost'; readonly slices: readonly number[] } | { readonly kind: 'judged'; readonly proof: Proof };

/**
 * Whether what is staged is the whole of what the source had. Held against each other: the ledger, the staging table,
 * the plan, and the source's own count before and after. What cannot be proved is said in the proof's reason.
 */
export async function verifyRun(context: WorkContext, run: RunRow, query: SourceQuery): Promise<Verdict> {
  const { database } = context;
  await createStaging(database, run.id); // a crash may have taken an unlogged table's file; an empty one is its truth
  const slices = await listSlices(database, run.id, sliceStates);
  const staged = await stagedBySlice(database, run.id);
  const lost = slices.filter((slice) => slice.records !== (staged.get(slice.number) ?? 0)).map((slice) => slice.number);
  if (lost.length > 0) return { kind: 'lost', slices: lost };

  const totals = await sliceTotals(database, run.id);
  const after = await countAgain(context, run, query);
  const facts = {
    slices: slices.length,
    failedSlices: totals.failed,
    openSlices: totals.open,
    isCovered:
      findGap(
        run.span,
        slices.map((slice) => slice.span),
      ) === null,
    stagedRows: sum([...staged.values()]),
    ledgerRows: totals.records,
    distinctKeys: await countDistinctKeys(database, run.id),
    rejects: totals.rejects,
    countBefore: run.expected,
    countAfter: after.count,
  };
  const reason = after.trouble ?? whatIsMissing(facts, run.strategy === 'offset');
  return { kind: 'judged', proof: { holds: reason === null, reason, ...facts } };
}

/** A source that does not answer now leaves the run unproved, not unpublished: `sheaf resume` asks again. */
async function countAgain(
  { reach }: WorkContext,
  run: RunRow,
  query: SourceQuery,
): Promise<{ count: number | null; trouble: string | null }> {
  const { source, fetch } = reach(run.request.dataset.source);
  try {
    return { count: await source.count(fetch, query, { ...run.span, strategy: run.strategy }), trouble: null };
  } catch (error) {
    if (!(error instanceof TransientError || error instanceof GateClosedError)) throw error;
    return { count: null, trouble: `the source could not be asked for its count again: ${error.message}` };
  }
}

type ProofFacts = Omit<Proof, 'holds' | 'reason'>;

/** Why the facts do not prove the copy complete, for a person; null when they do. */
export function whatIsMissing(facts: ProofFacts, mayOverlap: boolean): string | null {
  const { slices, failedSlices, distinctKeys, stagedRows, rejects, countBefore, countAfter } = facts;
  if (facts.openSlices > 0) return `${facts.openSlices} of ${slices} slices have not settled`;
  if (failedSlices > 0) return `${failedSlices} of ${slices} slices failed`;
  if (!facts.isCovered) return 'the slices do not cover what was planned without a gap';
  if (distinctKeys !== stagedRows && !mayOverlap)
    return `${stagedRows - distinctKeys} rows are staged under a key that is staged already`;
  if (countBefore === null || countAfter === null) return 'the source does not say how many records it has';
  const taken = distinctKeys + rejects;
  const [least, most] = [Math.min(countBefore, countAfter), Math.max(countBefore, countAfter)];
  if (taken >= least && taken <= most) return null;
  const counted = least === most ? `${least}` : `${countBefore} before and ${countAfter} after`;
  return `the source counts ${counted}, but ${taken} came (${rejects} of them rejected)`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
