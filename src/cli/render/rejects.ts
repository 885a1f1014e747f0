import { count, plural } from '../../domain/numbers.ts';
import type { ReplayReport } from '../../domain/replay-report.ts';
import type { RejectFacts, RejectList } from '../../runtime/rejects.ts';
import { table } from './table.ts';

const KEY_WIDTH = 24;
const DETAIL_WIDTH = 60;

/** A table of rejects, and a line for each reason below it. */
export function renderRejects({ of, total, reasons, rejects }: RejectList): string {
  const headings = ['ID', 'RUN', 'DATASET', 'SLICE', 'KEY', 'REASON', 'DETAIL', 'WHEN', 'REPLAYED'];
  const lines = [table(headings, rejects.map(cells), ['ID', 'SLICE']), ''];
  const shown = rejects.length < total ? `, the newest ${count(rejects.length)} of them above` : '';
  lines.push(`${plural(total, 'reject')} of ${of}${shown}`);
  for (const each of reasons) {
    const open = each.open === each.rejects ? '' : `, ${each.open === 0 ? 'none' : count(each.open)} of them open`;
    lines.push(`  ${each.reason}: ${count(each.rejects)}${open}`);
  }
  return lines.join('\n');
}

function cells(reject: RejectFacts): string[] {
  const { id, run, dataset, slice, key, reason, detail, rejectedAt, outcome } = reject;
  const replayed = outcome === 'rejected' ? 'still rejected' : (outcome ?? '-');
  const shownKey = key === null ? '-' : shorten(key, KEY_WIDTH);
  const when = rejectedAt.slice(0, 19).replace('T', ' ');
  return [String(id), run, dataset, String(slice), shownKey, reason, shorten(detail, DETAIL_WIDTH), when, replayed];
}

/** Keys and details hold what a source sent: nothing of it may move the cursor or break the table. */
function shorten(text: string, width: number): string {
  const line = text.slice(0, width + 1).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\ufffd');
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** What came of a replay. */
export function renderReplay({ of, dryRun, taken, superseded, rejected }: ReplayReport): string {
  if (taken + superseded + rejected === 0) return `Nothing to replay${of === null ? '' : ` of ${of}`}.`;
  const lines = [
    `${of}: ${count(taken)} taken, ${count(superseded)} superseded, ${count(rejected)} still rejected${dryRun ? ' (dry run: nothing was written)' : ''}`,
  ];
  if (superseded > 0) lines.push('  superseded: something newer is known of these records, so they were left alone');
  if (rejected > 0) lines.push(`  see what is left with: sheaf rejects list ${of}`);
  return lines.join('\n');
}
