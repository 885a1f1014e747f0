import type { RunReport } from '../../domain/report.ts';
import { bytes, count, duration, plural } from './numbers.ts';

/** What a person reads when a run has ended. */
export function renderReport(report: RunReport): string {
  const lines = [`${report.dataset}: ${report.state} in ${duration(report.durationMs)} (run ${report.run})`];
  if (report.reason !== null) lines.push(`  ${report.reason}`);
  lines.push(`  ${plural(report.records, 'record')} in ${plural(report.pages, 'page')}, ${expectation(report)}`);
  lines.push(
    `  table: ${count(report.inserted)} inserted, ${count(report.updated)} updated, ${count(report.unchanged)} unchanged, ${count(report.deleted)} deleted`,
  );
  if (report.retries > 0)
    lines.push(`  ${plural(report.requests, 'request')}, ${count(report.retries)} of them repeated`);
  if (report.rejected > 0)
    lines.push(`  ${plural(report.rejected, 'record')} rejected; see why with: sheaf rejects list ${report.run}`);
  for (const file of report.exports) lines.push(`  ${file.path} (${bytes(file.bytes)})`);
  if (report.state === 'failed' || report.state === 'partial') lines.push(`  go on with: sheaf resume ${report.run}`);
  return lines.join('\n');
}

function expectation({ expected, state }: RunReport): string {
  if (expected === null) return 'the source does not say how many there are';
  return state === 'complete' ? 'all that were asked for' : `of the source's ${count(expected)}`;
}
