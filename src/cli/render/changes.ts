import { count } from '../../domain/numbers.ts';
import type { ChangeFacts, ChangeKind, ChangeSummary, ChangesAsked, ChangesFound } from '../../runtime/changes.ts';
import { table } from './table.ts';

const FIELDS_WIDTH = 60;

/** A table of changes, for people. */
export function renderChanges(changes: readonly ChangeFacts[]): string {
  return table(['WHEN (UTC)', 'RUN', 'KIND', 'KEY', 'WHAT'], changes.map(cells));
}

function cells({ at, run, kind, key, fields, otherKey }: ChangeFacts): string[] {
  const names = fields === null ? '' : fields.length === 0 ? 'only how it is written' : fields.join(', ');
  const rekeyed = otherKey === null ? '' : kind === 'delete' ? `came back as ${otherKey}` : `was ${otherKey}`;
  const what = names.length > FIELDS_WIDTH ? `${names.slice(0, FIELDS_WIDTH - 1)}…` : names || rekeyed;
  return [at.slice(0, 19).replace('T', ' '), run, kind, key, what];
}

const DONE: Readonly<Record<ChangeKind, string>> = { insert: 'inserted', update: 'updated', delete: 'deleted' };

/** How many there are, in a line; of one kind when only that was asked for. */
export function renderSummary({ counts }: ChangeSummary, only: ChangeKind | null): string {
  const kinds = only === null ? (Object.keys(DONE) as ChangeKind[]) : [only];
  return kinds.map((kind) => `${count(counts[kind])} ${DONE[kind]}`).join(', ');
}

/** Says that there are none of those that were asked for. */
export function renderNothing(
  { dataset, run, kind }: ChangesFound['filter'],
  asked: Pick<ChangesAsked, 'since' | 'run'>,
): string {
  const since = asked.since === null ? '' : ' since then';
  if (run === null) return `Nothing has ${kind === null ? 'changed' : `been ${DONE[kind]}`} in ${dataset}${since}.`;
  const done = kind === null ? 'changed' : DONE[kind];
  if (asked.run === null) return `Run ${run}, the last that changed ${dataset}, has ${done} nothing.`;
  return `Run ${run} has ${done} nothing in ${dataset}${since}.`;
}
