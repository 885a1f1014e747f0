import type { Command } from 'commander';
import type { Settings } from '../../config/options.ts';
import { describeSame } from '../../domain/describe-request.ts';
import type { HarvestRequest } from '../../domain/harvest-request.ts';
import { count, duration, plural } from '../../domain/numbers.ts';
import type { PlannedHarvest } from '../../runtime/plan.ts';
import { addRateOption, addSelectionOptions, type SelectionFlags, toRequest } from '../harvest-options.ts';
import { printData, printJson } from '../output.ts';
import { settingsHere, withContext } from '../session.ts';

interface Flags extends SelectionFlags {
  readonly rate?: number;
  readonly json?: boolean;
}

export function addPlan(program: Command): void {
  const command = program
    .command('plan')
    .summary('say what a harvest would do, without doing it')
    .description(
      'Asks the source what there is, and says how it would be harvested: strategy, slices, requests and time.',
    )
    .argument('<dataset...>', 'source/entity');
  addRateOption(addSelectionOptions(command))
    .option('--json', 'print the plans as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf plan oda/Stemme\n  sheaf plan oda/Sag --filter "typeid eq 3" --json\n  sheaf plan oda/Sag --step\n  sheaf plan oda/Sag --keys-only',
    )
    .action(plan);
}

async function plan(datasets: string[], flags: Flags): Promise<void> {
  const settings = await settingsHere();
  const requests = datasets.map((dataset) => toRequest(dataset, flags, settings));
  const plans = await planAll(settings, flags, requests);
  if (flags.json) return printJson(plans.length === 1 ? plans[0] : plans);
  for (const [position, each] of plans.entries()) {
    const expected = each.expected === null ? 'an unknown number of records' : plural(each.expected, 'record');
    const pages = each.pages === null ? 'an unknown number of pages' : plural(each.pages, 'page');
    printData(`${each.dataset}: ${expected} in ${pages} of ${count(each.pageSize)}`);
    printData(`  ${describeKind(each, requests[position])}`);
    printData(
      `  strategy ${each.strategy}, keys or rows ${count(each.span.after + 1)} to ${count(each.span.upto)}, ${plural(each.slices, 'slice')}`,
    );
    const { expand } = requests[position] ?? {};
    if (expand?.length) printData(`  with ${expand.join(', ')}: a request more wherever a collection outgrows a page`);
    printData(
      `  ${each.requests === null ? 'requests unknown' : `about ${plural(each.requests, 'request')}`}, ${timeOf(each)}`,
    );
  }
}

/** Watermarks are in the database; no other plan needs one. */
async function planAll(
  settings: Settings,
  { rate = undefined }: Pick<Flags, 'rate'>,
  requests: readonly HarvestRequest[],
): Promise<PlannedHarvest[]> {
  const { planDatasets, planWithout } = await import('../../runtime/plan.ts');
  const needsWatermark = requests.some(({ mode, since }) => mode === 'step' && since === null);
  if (!needsWatermark) return planWithout({ settings, rate: rate ?? null }, requests);
  return withContext({ settings, rate, usesQueues: false }, (context) => planDatasets(context, requests));
}

function describeKind({ window, mode, kind }: PlannedHarvest, request: HarvestRequest | undefined): string {
  if (kind === 'keys-only') return 'a sweep over keys and timestamps, without content';
  if (window !== null) return `a step: what has changed since ${window.from}, by the source's clock`;
  if (mode !== 'step') return 'a sweep: all that was asked for';
  return `a sweep: no complete run${request === undefined ? '' : describeSame(request)} has left a watermark yet`;
}

function timeOf({
  requestsPerSecond,
  atLeastMs,
}: {
  requestsPerSecond: number | null;
  atLeastMs: number | null;
}): string {
  if (requestsPerSecond === null) return 'as fast as the source answers';
  if (atLeastMs === null) return `at ${requestsPerSecond} requests a second`;
  return `at least ${duration(atLeastMs)} at ${requestsPerSecond} requests a second`;
}
