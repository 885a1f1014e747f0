import { type Command, Option } from 'commander';
import { parsePastMoment } from '../../domain/moment.ts';
import { count } from '../../domain/numbers.ts';
import type { ChangeFacts, ChangeKind, ChangeSummary } from '../../runtime/changes.ts';
import { wholeNumber } from '../harvest-options.ts';
import { printChunks, printData, say } from '../output.ts';
import { renderChanges, renderNothing, renderSummary } from '../render/changes.ts';
import { withContext } from '../session.ts';

interface Flags {
  readonly since?: string;
  readonly run?: string;
  readonly kind?: ChangeKind;
  readonly limit?: number;
  readonly json?: boolean;
}

/** What a person is shown of them, unless told otherwise. */
const SHOWN = 50;

export function addChanges(program: Command): void {
  program
    .command('changes')
    .summary('show what has changed in a dataset')
    .description(
      'Shows the inserts, updates and deletes of a dataset in the order in which they were merged; without --since or --run, those of the last run that changed anything.',
    )
    .argument('<dataset>', 'source/entity, e.g. oda/Sag')
    .option('--since <moment>', 'only changes since then: 2026-11-21, 2026-11-21T14:30 (UTC), or 2d for two days ago')
    .option('--run <run>', 'only changes of this run: an id, the end of one, or "latest"')
    .addOption(new Option('--kind <kind>', 'only changes of this kind').choices(['insert', 'update', 'delete']))
    .option(
      '--limit <n>',
      `how many at most (default: ${SHOWN}, all with --json)`,
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--json', 'print them as JSON, with each record as it was before')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf changes oda/Sag\n  sheaf changes oda/Sag --since 7d --kind delete\n  sheaf changes oda/Sag --since 2026-11-01 --json > changes.json',
    )
    .action(show);
}

async function show(dataset: string, flags: Flags): Promise<void> {
  const since = flags.since === undefined ? null : parsePastMoment(flags.since, new Date());
  const asked = { dataset, since, run: flags.run ?? null, kind: flags.kind ?? null };
  await withContext({ usesQueues: false }, async (context) => {
    const { changeTexts, findChanges, summariseChanges } = await import('../../runtime/changes.ts');
    const { filter, from } = await findChanges(context, asked);
    if (flags.json) {
      await printChunks(asArray(changeTexts(context, filter, flags.limit ?? null)));
      if (flags.limit !== undefined) sayWhenCut(await summariseChanges(context, filter), filter.kind, flags.limit);
      return;
    }
    const summary = await summariseChanges(context, filter);
    if (from !== null && from < summary.knownFrom)
      say(`Changes before ${summary.knownFrom.toISOString()} are not known.`);
    const shown: ChangeFacts[] = [];
    for await (const text of changeTexts(context, filter, flags.limit ?? SHOWN)) shown.push(JSON.parse(text));
    if (shown.length === 0) return say(renderNothing(filter, asked));
    printData(renderChanges(shown));
    if (!sayWhenCut(summary, filter.kind, shown.length)) say(`${renderSummary(summary, filter.kind)}.`);
  });
}

/** Says how many there are when that is more than are shown; whether it did. */
function sayWhenCut(summary: ChangeSummary, kind: ChangeKind | null, shown: number): boolean {
  const total = Object.values(summary.counts).reduce((sum, each) => sum + each, 0);
  if (total <= shown) return false;
  say(`${renderSummary(summary, kind)}; the first ${count(shown)} of them are above, --limit shows more.`);
  return true;
}

/** A JSON array with one element a line, as it comes. */
async function* asArray(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let before = '[\n';
  for await (const text of texts) {
    yield before + text;
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}
