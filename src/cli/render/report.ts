import { describeDrift } from '../../domain/drift.ts';
import { bytes, count, duration, plural } from '../../domain/numbers.ts';
import type { RelatedReport, RunReport } from '../../domain/report.ts';
import { hasEnded } from '../../domain/run.ts';

/** What a person reads when a run has ended. */
export function renderReport(report: RunReport): string {
  const time = `${hasEnded(report.state) ? 'in' : 'for'} ${duration(report.durationMs)}`;
  const lines = [
    `${report.dataset}: ${report.kind === 'sweep' ? '' : `${report.kind} `}${report.state} ${time} (run ${report.run})`,
  ];
  if (report.reason !== null) lines.push(`  ${report.reason}`);
  lines.push(`  ${plural(report.records, 'record')} in ${plural(report.pages, 'page')}, ${expectation(report)}`);
  if (report.state === 'complete' || report.state === 'partial') lines.push(`  table: ${tableChanges(report)}`);
  if (report.ahead !== null) lines.push(`  ${aheadText(report.ahead, report.dataset)}`);
  for (const related of report.related) lines.push(`  ${relatedChanges(related)}`);
  if (report.retries > 0)
    lines.push(`  ${plural(report.requests, 'request')}, ${count(report.retries)} of them repeated`);
  if (report.rejected > 0)
    lines.push(`  ${plural(report.rejected, 'record')} rejected; see why with: sheaf rejects list ${report.run}`);
  lines.push(...driftLines(report));
  for (const file of report.exports) lines.push(`  ${file.path} (${bytes(file.bytes)})`);
  if (isWithheld(report)) lines.push('  the copy is complete but for that: resuming or retrying changes nothing');
  else if ((report.state === 'failed' || report.state === 'partial') && !isRefused(report))
    lines.push(`  go on with: sheaf resume ${report.run}`);
  return lines.join('\n');
}

const SHOWN_DRIFT = 8;

function driftLines({ drift, run }: RunReport): string[] {
  const lines = drift.slice(0, SHOWN_DRIFT).map((each) => `  drift: ${describeDrift(each)}`);
  const more = drift.length - lines.length;
  return more === 0 ? lines : [...lines, `  and ${more} more; see them with: sheaf status ${run} --json`];
}

/** Nothing is missing; only what the source no longer has is not marked as deleted. */
export function isWithheld({ state, reason, deletesWithheld }: RunReport): boolean {
  return state === 'partial' && deletesWithheld !== null && reason === deletesWithheld;
}

/** A run that was to fail by drift would fail by it again. */
function isRefused({ error }: RunReport): boolean {
  return error !== null && /^(?:metadata|record)-drift$/.test(error.code);
}

/** Not by a step: what came late under a low key may have an old timestamp, which no step looks at. */
function aheadText({ added, changed }: NonNullable<RunReport['ahead']>, dataset: string): string {
  if (added + changed === 0) return 'the source has no other keys and timestamps than the copy';
  const found = `the source has ${plural(added, 'record')} that the copy has not, and ${plural(changed, 'record')} with another timestamp`;
  return `${found}; bring them with a sweep, or: sheaf verify ${dataset} --repair`;
}

function tableChanges({ inserted, updated, unchanged, deleted, rekeyed }: RunReport): string {
  if (inserted + updated + unchanged + deleted + rekeyed === 0) return 'left as it was';
  const again = rekeyed === 0 ? '' : `, ${count(rekeyed)} back under another key`;
  return `${count(inserted)} inserted, ${count(updated)} updated, ${count(unchanged)} unchanged, ${count(deleted)} deleted${again}`;
}

function relatedChanges({ dataset, records, inserted, updated, unchanged, rejected }: RelatedReport): string {
  const changes = `${count(inserted)} inserted, ${count(updated)} updated, ${count(unchanged)} unchanged`;
  const refused = rejected === 0 ? '' : `, ${count(rejected)} rejected`;
  return `${dataset}: ${plural(records, 'record')} came with them; ${changes}${refused}`;
}

function expectation({ expected, state, rejected }: RunReport): string {
  if (expected === null) return 'the source does not say how many there are';
  const isAll = state === 'complete' && rejected === 0;
  return isAll ? 'all that were asked for' : `of the source's ${count(expected)}`;
}
