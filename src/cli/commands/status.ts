import type { Command } from 'commander';
import { count, duration } from '../../domain/numbers.ts';
import { hasEnded } from '../../domain/run.ts';
import type { RunDetails } from '../../runtime/inspect.ts';
import { printData, printJson } from '../output.ts';
import { renderReport } from '../render/report.ts';
import { withContext } from '../session.ts';

const SHOWN_FAILURES = 5;

export function addStatus(program: Command): void {
  program
    .command('status')
    .summary('show how a run stands')
    .description('Shows how far a run is, who works on it, and what failed.')
    .argument('[run]', 'a run id, the end of one, or "latest"', 'latest')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nExamples:\n  sheaf status\n  sheaf status x7k2 --json')
    .action(async (reference: string, flags: { json?: boolean }) =>
      withContext({ usesQueues: false }, async (context) => {
        const { findRun, inspectRun } = await import('../../runtime/inspect.ts');
        const details = await inspectRun(context, await findRun(context, reference));
        const { report, slices, failures, workers, gate, lastPageAt } = details;
        if (flags.json) printJson({ ...report, slices, failures, workers, gate, lastPageAt });
        else printData(render(details));
      }),
    );
}

function renderGate({ breaker, closedForMs, learnt, error }: RunDetails['gate']): string[] {
  if (breaker !== 'closed') {
    const reason = error?.message ?? 'no reason was noted';
    return [`  the source does not answer, and is asked now and then whether it is back: ${reason}`];
  }
  const lines: string[] = [];
  if (closedForMs > 0) lines.push(`  the source asked to be left alone for another ${duration(closedForMs)}`);
  if (learnt !== null)
    lines.push(
      `  ${duration(learnt.ageMs)} ago the source refused more than about ${learnt.limit.toFixed(1)} requests a second; the fleet keeps to that`,
    );
  return lines;
}

function render({ report, slices, failures, workers, gate, lastPageAt }: RunDetails): string {
  const lines = [
    renderReport(report),
    `  slices: ${count(slices.done)} done, ${count(slices.working)} being worked, ${count(slices.pending)} waiting, ${count(slices.failed)} failed`,
  ];
  for (const { slice, message } of failures.slice(0, SHOWN_FAILURES)) lines.push(`  slice ${slice} failed: ${message}`);
  if (failures.length > SHOWN_FAILURES) lines.push(`  and ${failures.length - SHOWN_FAILURES} more`);
  if (hasEnded(report.state)) return lines.join('\n');
  lines.push(...renderGate(gate));
  if (lastPageAt !== null) lines.push(`  last page ${duration(Math.max(0, Date.now() - lastPageAt.getTime()))} ago`);
  for (const { id, host, pid, slices: own } of workers)
    lines.push(`  worker ${id} on ${host} (pid ${pid}) holds ${own}`);
  const held = workers.reduce((sum, worker) => sum + worker.slices, 0);
  if (slices.working > held)
    lines.push(`  ${count(slices.working - held)} are held by workers that died; others take them over within seconds`);
  if (report.state === 'paused')
    lines.push(`  paused on request: nothing is fetched until \`sheaf resume ${report.run}\`, from any terminal`);
  else if (workers.length === 0)
    lines.push(`  no worker is alive: start one with \`sheaf worker\`, or go on with \`sheaf resume ${report.run}\``);
  else if (report.state === 'fetching' && slices.working === 0 && gate.breaker === 'closed' && gate.closedForMs === 0)
    lines.push(
      '  workers are alive, but hold none of it: if that stays so, `sheaf doctor` looks what keeps them from the queue',
    );
  return lines.join('\n');
}
