import type { Command } from 'commander';
import { UsageError } from '../../domain/errors.ts';
import { parsePastMoment } from '../../domain/moment.ts';
import { checkBrokers, checkTopicPrefix, checkWebhookUrl, type SubscriptionTarget } from '../../domain/subscription.ts';
import type { SheafContext } from '../../runtime/context.ts';
import type { FeedStart } from '../../runtime/subscriptions.ts';
import { printData, printJson, say } from '../output.ts';
import { renderSubscriptions } from '../render/feed.ts';
import { withContext } from '../session.ts';

interface AddFlags {
  readonly webhook?: string;
  readonly kafka?: string;
  readonly topicPrefix?: string;
  readonly tombstones?: boolean;
  readonly from: string;
}

const START = 'now (what comes next), start (all that is known), or a moment: 2026-11-21, 2026-11-21T14:30 (UTC), 2d';

export function addFeed(program: Command): void {
  const feed = program
    .command('feed')
    .summary('tell others of changes, by webhook or Kafka')
    .description(
      'Tells subscribers of the inserts, updates and deletes of datasets, once they are merged: at least once each, in their order. `sheaf worker` and `sheaf up` do the telling.',
    );
  addAdd(feed);
  feed
    .command('list')
    .description('Lists subscriptions: how far behind they are, and what went wrong last.')
    .option('--json', 'print them as a JSON array')
    .addHelpText('after', '\nExample:\n  sheaf feed list')
    .action(list);
  named(feed, 'pause', 'Pauses a subscription. What comes meanwhile is told afterwards.').action((name: string) =>
    change(name, 'pauseFeed', `Subscription ${name} is paused. Go on with: sheaf feed resume ${name}`),
  );
  named(feed, 'resume', 'Ends the pause of a subscription, or the wait after a failed try.').action((name: string) =>
    change(name, 'resumeFeed', `Subscription ${name} goes on.`),
  );
  named(feed, 'remove', 'Removes a subscription; nothing more is told to it.').action((name: string) =>
    change(name, 'removeSubscription', `Subscription ${name} is removed.`),
  );
  named(feed, 'replay', 'Has a subscriber told again from a moment on, or go on after a gap.', ' --from 2d')
    .argument('[dataset...]', 'only these datasets, as source/entity (default: all that it is subscribed to)')
    .requiredOption('--from <where>', `where to begin: ${START}`)
    .action(replay);
}

function named(feed: Command, name: string, description: string, more = ''): Command {
  return feed
    .command(name)
    .description(description)
    .argument('<name>', 'the name of a subscription')
    .addHelpText('after', `\nExample:\n  sheaf feed ${name} search-index${more}`);
}

function addAdd(feed: Command): void {
  feed
    .command('add')
    .description('Subscribes a webhook or Kafka to the changes of datasets.')
    .argument('<name>', 'its name: small letters, digits and hyphens')
    .argument('<dataset...>', 'what to tell of, as source/entity, or "all" for all datasets, those to come too')
    .option('--webhook <url>', 'post batches of changes there, signed with SHEAF_FEED_SECRET')
    .option('--kafka <brokers>', 'write each change to a topic of its dataset: host:port, several separated by commas')
    .option('--topic-prefix <prefix>', 'how the names of topics begin (default: sheaf, as in sheaf.oda.sag)')
    .option('--tombstones', 'write deletes as messages without a value, for compacted topics')
    .option('--from <where>', `where to begin: ${START}`, 'now')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf feed add search-index --webhook https://search.example/sheaf oda/Sag oda/Aktør\n  sheaf feed add lake --kafka kafka-1:9092,kafka-2:9092 --from start all',
    )
    .action(add);
}

async function add(name: string, datasets: string[], flags: AddFlags): Promise<void> {
  const target = targetOf(flags);
  const from = parseStart(flags.from);
  const isAll = datasets.includes('all');
  if (isAll && datasets.length > 1)
    throw new UsageError('"all" are all datasets: name no others beside it.', { code: 'bad-dataset', facts: {} });
  await withContext({ usesQueues: false }, async (context) => {
    const { addSubscription, startsLater, actor } = await load();
    await addSubscription(context, { name, ...target, datasets: isAll ? null : datasets, from }, actor);
    printData(name);
    sayWhenLater(await startsLater(context, from));
    if (target.kind === 'webhook' && context.settings.SHEAF_FEED_SECRET === undefined)
      say(
        'Workers need SHEAF_FEED_SECRET, with which messages are signed; make one with `echo whsec_$(openssl rand -base64 32)`.',
      );
    say('A `sheaf worker` or `sheaf up` does the telling; `sheaf feed list` shows how far it is.');
  });
}

function targetOf({ webhook, kafka, topicPrefix, tombstones = false }: AddFlags): SubscriptionTarget {
  if ((webhook === undefined) === (kafka === undefined)) {
    const both = webhook === undefined ? '' : ', not both: make two subscriptions';
    throw new UsageError(`A subscription needs one of --webhook and --kafka${both}.`, {
      code: 'bad-target',
      facts: {},
    });
  }
  if (kafka !== undefined) {
    const prefix = checkTopicPrefix(topicPrefix ?? 'sheaf');
    return { kind: 'kafka', target: checkBrokers(kafka), prefix, tombstones };
  }
  if (topicPrefix !== undefined || tombstones)
    throw new UsageError('--topic-prefix and --tombstones are for --kafka.', { code: 'bad-target', facts: {} });
  return { kind: 'webhook', target: checkWebhookUrl(webhook ?? ''), prefix: null, tombstones: false };
}

function parseStart(text: string): FeedStart {
  return text === 'now' || text === 'start' ? text : parsePastMoment(text, new Date());
}

function sayWhenLater(known: Date | null): void {
  if (known !== null) say(`Changes before ${known.toISOString()} are not known: it begins there.`);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { describeSubscriptions, MOST_COUNTED } = await load();
    const reports = await describeSubscriptions(context);
    if (json) printJson(reports);
    else if (reports.length === 0) say('There are no subscriptions yet. Make one with: sheaf feed add');
    else printData(renderSubscriptions(reports, MOST_COUNTED));
  });
}

async function replay(name: string, datasets: string[], { from }: Pick<AddFlags, 'from'>): Promise<void> {
  const start = parseStart(from);
  await withContext({ usesQueues: false }, async (context) => {
    const { replayFeed, startsLater, actor } = await load();
    const chosen = datasets.length === 0 ? null : datasets;
    const moved = await replayFeed(context, { name, from: start, datasets: chosen }, actor);
    sayWhenLater(await startsLater(context, start));
    say(`Subscription ${name} is told anew of ${moved.join(', ')}.`);
  });
}

async function change(
  name: string,
  action: 'pauseFeed' | 'resumeFeed' | 'removeSubscription',
  done: string,
): Promise<void> {
  await withContext({ usesQueues: false }, async (context: SheafContext) => {
    const { actor, ...actions } = await load();
    await actions[action](context, name, actor);
    say(done);
  });
}

async function load() {
  const { commandLineActor } = await import('../../runtime/audited.ts');
  return { ...(await import('../../runtime/subscriptions.ts')), actor: commandLineActor() };
}
