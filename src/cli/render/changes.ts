import { count } from '../../domain/numbers.ts';
import type { ChangeFacts, ChangeSummary } from '../../runtime/changes.ts';
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

/** How many there are, in a line. */
export function renderSummary({ counts }: ChangeSummary): string {
  return `${count(counts.insert)} inserted, ${count(counts.update)} updated, ${count(counts.delete)} deleted`;
}
