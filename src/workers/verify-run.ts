import { analyzeStaged } from '../db/queries/analyze.ts';
import type { Reread } from '../db/queries/refetch.ts';
import { relatedBySlice } from '../db/queries/related.ts';
import { listSlices, type SliceTotals, sliceTotals } from '../db/queries/slices.ts';
import { countDistinctKeys, stagedBySlice } from '../db/queries/staging.ts';
import type { RunRow, SliceRow } from '../db/schema.ts';
import { GateClosedError, PermanentError, TransientError } from '../domain/errors.ts';
import type { Proof } from '../domain/proof.ts';
import { sliceStates } from '../domain/slice.ts';
import { coversRanges, findGap } from '../domain/span.ts';
import type { SourceQuery } from '../sources/source.ts';
import { type Look, lookAgain } from './look-again.ts';
import type { WorkContext } from './work-context.ts';

export type Verdict =
  /** Rows that the ledger counts are not in the staging table: PostgreSQL crashed. These slices must be fetched again. */
  | { readonly kind: 'lost'; readonly slices: readonly number[] }
  /** The source has changed since it was read: this must be read once more. */
  | { readonly kind: 'moved'; readonly reread: Reread }
  /** The source does not answer: to be asked again after `waitMs`, or else the proof is what can be said. */
  | { readonly kind: 'unanswered'; readonly waitMs: number; readonly proof: Proof }
  /** All that the source has is staged. What it no longer has is still to be judged (`proveDeletes`): that sends nothing back. */
  | { readonly kind: 'held'; readonly proof: Proof }
  | { readonly kind: 'judged'; readonly proof: Proof };

/**
 * Whether what is staged is the whole of what the source has. Held against each other: the ledger, the staging table,
 * the plan, and the source's own count. The staging tables must be there. What cannot be proved is said in the proof's reason.
 */
export async function verifyRun(context: WorkContext, run: RunRow, query: SourceQuery): Promise<Verdict> {
  const ledger = await readLedger(context.database, run);
  if (ledger.lost.length > 0) return { kind: 'lost', slices: ledger.lost };
  // Proved, or not, and merged, by a finaliser that died before it was through: the files must say the same.
  if (run.mergedGeneration === run.generation && run.proof !== null) return { kind: 'judged', proof: run.proof };

  const { facts, broken, look } = await compare(context, { run, query, ledger });
  if (broken !== null || look === null)
    return { kind: 'judged', proof: { ...facts, holds: false, reason: broken, countAfter: null } };
  if ('waitMs' in look) {
    const reason = `the source could not be asked for its count again: ${look.message}`;
    return { kind: 'unanswered', waitMs: look.waitMs, proof: { ...facts, holds: false, reason, countAfter: null } };
  }
  if (look.reread !== null) return { kind: 'moved', reread: look.reread };
  const holds = look.reason === null;
  return { kind: holds ? 'held' : 'judged', proof: { ...facts, holds, reason: look.reason, countAfter: look.count } };
}

/** What the ledger says of a run's slices. */
interface Ledger {
  readonly slices: readonly SliceRow[];
  readonly totals: SliceTotals;
  /** Slices of which not every row is staged that should be. */
  readonly lost: readonly number[];
}

/** All slices have settled, and the fence lets no page in any more: what is read here stands still, whatever is read first. */
async function readLedger(database: WorkContext['database'], run: RunRow): Promise<Ledger> {
  const [slices, totals, staged, related] = await Promise.all([
    listSlices(database, run.id, sliceStates),
    sliceTotals(database, run.id),
    stagedBySlice(database, run.id),
    run.expand === null ? null : relatedBySlice(database, run.id),
  ]);
  const isWhole = (slice: SliceRow) =>
    slice.records === (staged.get(slice.number) ?? 0) &&
    (related === null || slice.related === (related.get(slice.number) ?? 0));
  return { slices, totals, lost: slices.filter((slice) => !isWhole(slice)).map((slice) => slice.number) };
}

interface ToCompare {
  readonly run: RunRow;
  readonly query: SourceQuery;
  readonly ledger: Ledger;
}

interface Comparison {
  readonly facts: LedgerFacts;
  /** Why no count of the source's could make the copy complete. */
  readonly broken: string | null;
  /** Null when the source was not asked, because of what is broken. */
  readonly look: Look | Silence | null;
}

/**
 * Counts the keys, and asks the source. What the source says must be of a moment after the last page, and is: no slice is
 * open here. The two need not wait for each other, unless pages may overlap: else there are as many keys as rows, or the
 * copy is broken, whatever the source says.
 */
async function compare(context: WorkContext, { run, query, ledger }: ToCompare): Promise<Comparison> {
  const { slices, totals } = ledger;
  const mayOverlap = run.strategy === 'offset';
  const factsWith = (distinctKeys: number) => ledgerFacts(run, ledger, distinctKeys);
  const ask = async (keys: number) => {
    if (whatIsBroken(factsWith(keys), mayOverlap) !== null) return null;
    const brought = { run, query, slices, taken: keys + totals.rejects, rejects: totals.rejects };
    return unlessSilent(() => lookAgain(context.reach(run.request.dataset.source), brought));
  };
  const counting = countDistinctKeys(context.database, run.id);
  const [keys, look] = await Promise.all([
    counting,
    mayOverlap ? counting.then(ask) : ask(totals.records),
    analyzeStaged(context.database, run), // for what comes after: it is judged, written and merged by that
  ]);
  const facts = factsWith(keys);
  return { facts, broken: whatIsBroken(facts, mayOverlap), look };
}

/** What Sheaf itself knows, before the source is asked. */
export type LedgerFacts = Omit<Proof, 'holds' | 'reason' | 'countAfter'>;

function ledgerFacts(run: RunRow, { slices, totals }: Ledger, distinctKeys: number): LedgerFacts {
  const spans = slices.map((slice) => slice.span);
  return {
    slices: slices.length,
    failedSlices: totals.failed,
    openSlices: totals.open,
    isCovered: run.ranges === null ? findGap(run.span, spans) === null : coversRanges(run.ranges, spans),
    stagedRows: totals.records, // each slice's was found to be so
    ledgerRows: totals.records,
    distinctKeys,
    rejects: totals.rejects,
    countBefore: run.countBefore ?? run.expected,
    upto: run.strategy === 'keyset' ? run.span.upto : null,
    rereads: run.rereads,
    rereadSlices: run.rereadSlices,
    isExtended: run.isExtended,
    window: run.timeWindow,
    missing: 0,
    deletesWithheld: null,
    ahead: null,
  };
}

/** Why no count of the source's could make the copy complete, for a person; null when one could. */
export function whatIsBroken(facts: LedgerFacts, mayOverlap: boolean): string | null {
  const { slices, failedSlices, distinctKeys, stagedRows } = facts;
  if (facts.openSlices > 0) return `${facts.openSlices} of ${slices} slices have not settled`;
  if (failedSlices > 0) return `${failedSlices} of ${slices} slices failed`;
  if (!facts.isCovered) return 'the slices do not cover what was planned without a gap';
  if (distinctKeys !== stagedRows && !mayOverlap)
    return `${stagedRows - distinctKeys} rows are staged under a key that is staged already`;
  return null;
}

interface Silence {
  readonly waitMs: number;
  readonly message: string;
}

/** How long a source that gave no answer, and did not say when it will, is left alone before it is asked again. */
const QUIET_MS = 5_000;

async function unlessSilent(look: () => Promise<Look>): Promise<Look | Silence> {
  try {
    return await look();
  } catch (error) {
    // It has answered, and not what was asked: asking again will not help, and nothing is proved.
    if (error instanceof PermanentError)
      return { count: null, reread: null, reason: `the source could not be asked again: ${error.message}` };
    if (error instanceof GateClosedError) return { waitMs: error.waitMs, message: error.message };
    if (!(error instanceof TransientError)) throw error;
    const askedMs = error.retryAt === null ? QUIET_MS : error.retryAt.getTime() - Date.now();
    return { waitMs: askedMs, message: error.message };
  }
}
