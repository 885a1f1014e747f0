import type { Command } from 'commander';
import { printJson, say } from '../output.ts';
import { withContext } from '../session.ts';

interface Flags {
  readonly json?: boolean;
}

/** `cancel` and `pause`: they only write the ledger, so they work whatever else is down. */
export function addControl(program: Command): void {
  program
    .command('cancel')
    .summary('end a run and publish nothing')
    .description(
      'Ends a run: whoever works on it stops within a page, nothing is published, what was fetched is dropped.',
    )
    .argument('<run>', 'a run id, the end of one, or "latest"')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nExample:\n  sheaf cancel x7k2')
    .action((reference: string, flags: Flags) => control(reference, flags, 'cancel'));
  program
    .command('pause')
    .summary('keep a run from fetching until it is resumed')
    .description('Pauses a run: its slices are handed back at the next page and wait; `sheaf resume` goes on.')
    .argument('<run>', 'a run id, the end of one, or "latest"')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', '\nExample:\n  sheaf pause latest')
    .action((reference: string, flags: Flags) => control(reference, flags, 'pause'));
}

async function control(reference: string, { json }: Flags, action: 'cancel' | 'pause'): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { findRun } = await import('../../runtime/inspect.ts');
    const { createRunActions } = await import('../../runtime/actions.ts');
    const { commandLineActor } = await import('../../runtime/audited.ts');
    const { reportRun } = await import('../../runtime/report.ts');
    const run = await findRun(context, reference);
    await createRunActions(context)[action](run, commandLineActor());
    if (json) printJson(await reportRun(context.database, run.id));
    else if (action === 'cancel') say(`Run ${run.id} of ${run.dataset} is cancelled.`);
    else say(`Run ${run.id} of ${run.dataset} is paused. Go on with: sheaf resume ${run.id}`);
  });
}
