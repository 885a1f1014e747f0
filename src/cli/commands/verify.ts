import type { Command } from 'commander';
import type { Comparison } from '../../domain/comparison.ts';
import { parseDataset } from '../../domain/dataset.ts';
import { hasEnded } from '../../domain/run.ts';
import type { SheafContext } from '../../runtime/context.ts';
import type { Verification } from '../../runtime/verify.ts';
import { addRateOption, maxDeletesOption, wholeNumber } from '../harvest-options.ts';
import { printData, printJson, say } from '../output.ts';
import { adviseOn, describeRepair, renderComparison } from '../render/comparison.ts';
import { renderReport } from '../render/report.ts';
import { settingsHere, withContext } from '../session.ts';
import { sayTroubles, workRuns } from '../work-runs.ts';

interface Flags {
  readonly samples: number;
  readonly repair?: boolean;
  readonly maxDeletes?: number;
  readonly rate?: number;
  readonly concurrency?: number;
  readonly json?: boolean;
}

const DIFFERS = 3;

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .summary('compare the copy of a dataset with its source')
    .description(
      'Compares the copy with the source by count and by ranges of keys, and some pages of it by content, and says where they differ.',
    )
    .argument('<dataset>', 'source/entity, e.g. oda/Sag')
    .option('--samples <n>', 'pages to compare by content, chosen by chance; or "all"', samples, 20)
    .option('--repair', 'fetch what was found to differ, and only that');
  addRateOption(command)
    .addOption(maxDeletesOption())
    .option(
      '--concurrency <n>',
      'pages asked for at once by a repair in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .option('--json', 'print what was found as JSON on stdout')
    .addHelpText('after', EXAMPLES)
    .action(async (dataset: string, flags: Flags) => {
      process.exitCode = await verify(dataset, flags);
    });
}

const EXAMPLES = `
Examples:
  sheaf verify oda/Sag
  sheaf verify oda/Afstemning --samples all --json
  sheaf verify oda/Stemme --repair

Exit codes: 0 no difference found, or all repaired; 1 failed, 2 bad usage or configuration, 3 the copy differs.`;

function samples(text: string): number {
  return text === 'all' ? Number.MAX_SAFE_INTEGER : wholeNumber(0, Number.MAX_SAFE_INTEGER)(text);
}

async function verify(dataset: string, flags: Flags): Promise<number> {
  const settings = await settingsHere();
  const asked = parseDataset(dataset);
  const concurrency = flags.repair ? (flags.concurrency ?? settings.SHEAF_CONCURRENCY) : 4;
  const options = { settings, rate: flags.rate, concurrency, usesQueues: flags.repair ?? false };
  return withContext(options, async (context) => {
    const { verifyDataset } = await import('../../runtime/verify.ts');
    const noteTo = sayTroubles(context);
    noteTo(say);
    const verification = await verifyDataset(context, { dataset: asked, samples: flags.samples });
    const { comparison } = verification;
    if (!flags.json) printData(renderComparison(comparison));
    if (!flags.repair || comparison.differences.length === 0) return end(comparison, flags);
    return repair(context, verification, { ...flags, concurrency, noteTo });
  });
}

function end(comparison: Comparison, { json }: Flags): number {
  const advice = adviseOn(comparison);
  if (json) printJson(comparison);
  else if (advice !== null) say(advice);
  return comparison.state === 'same' ? 0 : DIFFERS;
}

type RepairFlags = Flags & { readonly concurrency: number; readonly noteTo: ReturnType<typeof sayTroubles> };

/** Fetches the ranges that differ as a run in this process, then holds them against the source once more. */
async function repair(
  context: SheafContext,
  verification: Verification,
  { maxDeletes = undefined, concurrency, noteTo, json = false }: RepairFlags,
): Promise<number> {
  const { startRepair, verifyRepair } = await import('../../runtime/verify.ts');
  const { commandLineActor } = await import('../../runtime/audited.ts');
  const run = await startRepair(context, verification, { actor: commandLineActor(), maxDeletes: maxDeletes ?? null });
  const ended = await workRuns(context, [run], { concurrency, json, isMany: false, noteTo, isSilent: true });
  const repaired = await verifyRepair(context, verification, run);
  if (json) printJson(repaired);
  else if (hasEnded(repaired.repair?.run.state ?? 'fetching')) sayRepaired(repaired);
  return ended !== 0 || isWhollyRepaired(repaired) ? ended : DIFFERS;
}

function sayRepaired({ repair: done, dataset }: Comparison): void {
  if (done === null) return;
  say(`\n${renderReport(done.run)}`);
  say(describeRepair(dataset, done));
}

/** What no range holds a repair cannot reach. */
function isWhollyRepaired({ repair: done, unplaced }: Comparison): boolean {
  return done !== null && done.left.length === 0 && unplaced.source + unplaced.copy === 0;
}
