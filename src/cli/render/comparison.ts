import type { Comparison, Difference, Sampled } from '../../domain/comparison.ts';
import { count, plural } from '../../domain/numbers.ts';
import { isWithheld } from './report.ts';
import { table } from './table.ts';

const SHOWN = 40;

/** What a comparison of a copy with its source has found, for people. */
export function renderComparison(comparison: Comparison): string {
  const { dataset, state, counts, differences, isBounded, strategy } = comparison;
  const verdict = state === 'same' ? 'no difference was found' : 'the copy is not what the source has';
  const source =
    counts.source === null ? 'does not say how many records it has' : `has ${plural(counts.source, 'record')}`;
  const lines = [`${dataset}: ${verdict}`, `  the source ${source}, the copy ${count(counts.copy)}`];
  if (counts.rejected > 0)
    lines.push(
      `  ${plural(counts.rejected, 'record')} of the source could not be taken: sheaf rejects list ${dataset}`,
    );
  lines.push(...unplacedLines(comparison), `  ${sampledText(comparison.sampled)}`, `  ${inStepText(comparison)}`);
  if (differences.length > 0) lines.push('', renderDifferences(differences, strategy));
  if (isBounded) lines.push('There were too many to search for all: ranges may be wider than what differs in them.');
  return lines.join('\n');
}

function unplacedLines({ unplaced }: Comparison): string[] {
  const lines: string[] = [];
  if (unplaced.source > 0)
    lines.push(
      `  ${plural(unplaced.source, 'record')} of the source lie in no range of keys, most likely because they have none`,
    );
  if (unplaced.copy > 0) lines.push(`  ${plural(unplaced.copy, 'record')} of the copy have a key that is no number`);
  return lines;
}

function sampledText({ pages, ofPages, records, detectableShare: share }: Sampled): string {
  if (ofPages === 0) return 'there was no page whose content could be compared';
  if (pages === 0) return 'no content was compared: edits, and as many records gone as come, would not show';
  if (share === 0) return `content: all ${plural(pages, 'page')} compared (${plural(records, 'record')})`;
  const percent = count(Math.ceil(share * 100));
  return (
    `content: ${count(pages)} of ${plural(ofPages, 'page')} compared (${plural(records, 'record')}): if ${percent} % of the pages ` +
    'or more differed, at least one would have shown with a probability of 95 %'
  );
}

function inStepText({ lastInStep, state }: Comparison): string {
  if (lastInStep === null) return 'no complete run from this server has left the copy in step';
  const { at, kind, run } = lastInStep;
  const since = state === 'same' ? '' : '; what has changed since differs, too';
  const when = `${at.slice(0, 16).replace('T', ' ')} UTC (${kind} ${run})`;
  return kind === 'step'
    ? `changes were last brought at ${when}, but deletes and edits that leave the timestamp no step can see${since}`
    : `the copy was last in step at ${when}${since}`;
}

function renderDifferences(differences: readonly Difference[], strategy: Comparison['strategy']): string {
  const headings = [strategy === 'keyset' ? 'KEYS' : 'ROWS', 'SOURCE', 'COPY', 'FOUND BY', 'WHAT'];
  const rows = differences
    .slice(0, SHOWN)
    .map((each) => [
      `${count(each.after + 1)} to ${count(each.upto)}`,
      count(each.source),
      each.copy === null ? '?' : count(each.copy),
      each.foundBy,
      whatDiffers(each),
    ]);
  const more = differences.length - rows.length;
  const all = table(headings, rows, ['KEYS', 'ROWS', 'SOURCE', 'COPY']);
  return more === 0 ? all : `${all}\nand ${count(more)} more; --json shows all`;
}

function whatDiffers({ source, copy, lacking, gone, edited }: Difference): string {
  if (lacking === null) {
    const more = source - (copy ?? 0);
    return more > 0 ? `${count(more)} more at the source` : `${count(-more)} more in the copy`;
  }
  const parts = [
    { number: lacking, text: 'not in the copy' },
    { number: gone ?? 0, text: 'gone from the source' },
    { number: edited ?? 0, text: 'with other content' },
  ];
  return parts
    .filter(({ number }) => number > 0)
    .map(({ number, text }) => `${count(number)} ${text}`)
    .join(', ');
}

/** What the ranges are like once they were repaired, or were to be; and why, where they differ still. */
export function describeRepair(dataset: string, { run, left }: NonNullable<Comparison['repair']>): string {
  if (left.length === 0) return 'The ranges were compared again, and are what the source has.';
  if (run.state !== 'complete' && run.state !== 'partial')
    return `Nothing was written to the table: ${plural(left.length, 'difference')} as before.`;
  const still = `${plural(left.length, 'range')} still differ${left.length === 1 ? 's' : ''}`;
  return isWithheld(run)
    ? `${still}, because nothing was marked as deleted. If the source is right: sheaf verify ${dataset} --repair --max-deletes <percent>`
    : `${still}: the source changes, or has records that cannot be taken. See: sheaf verify ${dataset}`;
}

/** What is to be done about differences that were not repaired; null when there is nothing to do. */
export function adviseOn({
  dataset,
  state,
  strategy,
  differences,
  pageSize,
  counts,
  sampled,
}: Comparison): string | null {
  if (state === 'same') return null;
  if (strategy !== 'keyset' || differences.length === 0)
    return `Bring the copy in step with a sweep: sheaf harvest ${dataset}`;
  const pages = differences.reduce((sum, { source }) => sum + Math.max(1, Math.ceil(source / pageSize)), 0);
  const all = Math.max(1, Math.ceil((counts.source ?? counts.copy) / pageSize));
  const repair = `Fetch just these ranges, about ${plural(pages, 'page')} of ${count(all)}: sheaf verify ${dataset} --repair`;
  const isPart = sampled.detectableShare > 0 && differences.some(({ foundBy }) => foundBy === 'sample');
  return isPart
    ? `${repair}\nSamples differ, so other pages will, too; only a sweep brings all: sheaf harvest ${dataset}`
    : repair;
}
