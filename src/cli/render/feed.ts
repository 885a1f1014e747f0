import { count, duration, plural } from '../../domain/numbers.ts';
import type { FeedProgress, SubscriptionReport } from '../../runtime/subscriptions.ts';
import { table } from './table.ts';

/** A table of subscriptions, and below it what is wrong with them. */
export function renderSubscriptions(reports: readonly SubscriptionReport[], mostCounted: number): string {
  const rows = reports.map((report) => [
    report.name,
    report.state,
    `${report.kind} ${report.target}`,
    report.datasets?.join(' ') ?? 'all',
    report.progress.some(({ behind }) => behind >= mostCounted) ? `${count(report.behind)}+` : count(report.behind),
    report.behind === 0 ? '-' : duration(report.ageMs),
  ]);
  const headings = ['SUBSCRIPTION', 'STATE', 'TO', 'DATASETS', 'BEHIND', 'FOR'];
  return [table(headings, rows, ['BEHIND']), ...reports.flatMap(troublesOf)].join('\n');
}

/** Workers look for changes every few seconds. */
const UNTENDED_MS = 60_000;

function troublesOf({ name, kind, reason, untendedMs, progress }: SubscriptionReport): string[] {
  const paused = reason === null ? [] : [`${name}: paused, because ${reason}`];
  const gaps = progress.filter(({ gapAt }) => gapAt !== null).map(({ dataset }) => dataset);
  const gap =
    gaps.length === 0
      ? []
      : [
          `${name}: changes of ${gaps.join(', ')} were dropped before it was told. First: sheaf feed replay ${name} --from now ${gaps.join(' ')}. Then have it read them anew from the table`,
        ];
  const needed = kind === 'webhook' ? 'SHEAF_FEED_SECRET' : 'the login of Kafka, if it needs one';
  const untended =
    untendedMs < UNTENDED_MS
      ? []
      : [
          `${name}: nobody has told it anything for ${duration(untendedMs)}, though changes wait: is there a \`sheaf worker\` or \`sheaf up\` with ${needed}?`,
        ];
  return [
    ...paused,
    ...gap,
    ...untended,
    ...progress.filter(({ failures }) => failures > 0).map((each) => failureOf(name, each)),
  ];
}

function failureOf(name: string, { dataset, failures, error, nextTryAt }: FeedProgress): string {
  const next = nextTryAt === null ? '' : `, next try at ${nextTryAt.slice(11, 19)} UTC`;
  return `${name}: ${dataset}: ${error ?? 'failed'} (${plural(failures, 'failure')} in a row${next})`;
}
