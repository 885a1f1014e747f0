import { duration, plural } from '../../domain/numbers.ts';
import type { SheafContext } from '../../runtime/context.ts';

type Note = (text: string) => void;

/** Between two notes of the same trouble: a source that is down must not fill the screen. */
const QUIET_MS = 5_000;

/**
 * Tells `note`, in words, what goes wrong while runs are worked, and what is done about it. Returns how to have it told
 * to another instead.
 */
export function noteTroubles({ telemetry }: Pick<SheafContext, 'telemetry'>, first: Note): (next: Note) => void {
  let note = first;
  const lastNoted = new Map<string, number>();
  const say = (trouble: string, text: string): void => {
    if (Date.now() - (lastNoted.get(trouble) ?? 0) < QUIET_MS) return;
    lastNoted.set(trouble, Date.now());
    note(text);
  };
  telemetry.on('request.retried', ({ error, delayMs }) => {
    say(error.code, `${error.message}; again in ${duration(delayMs)}`);
  });
  telemetry.on('gate.closed', ({ source, forMs }) => {
    say(source, `${source} asks to be left alone for ${duration(forMs)}; waiting`);
  });
  telemetry.on('gate.slowed', ({ source, requestsPerSecond }) => {
    say(`${source} rate`, `${source} throttles; going on with ${requestsPerSecond.toFixed(1)} requests a second`);
  });
  telemetry.on('gate.breaker', ({ source, breaker, error }) => {
    const why = error === null ? '' : ` (${error.message})`;
    if (breaker === 'open')
      note(`${source} does not answer${why}; waiting, and asking now and then whether it is back`);
    if (breaker === 'closed') note(`${source} answers again`);
  });
  telemetry.on('reconcile.repaired', ({ run, what, count }) => {
    say(`${run} ${what}`, `run ${run}: ${plural(count, 'slice')} back in the queue (${what})`);
  });
  telemetry.on('run.stalled', ({ run, forMs, waiting, held }) => {
    const work = `${plural(waiting, 'slice')} waiting, ${held} being worked`;
    note(`run ${run} has made no progress for ${duration(forMs)}: ${work}; \`sheaf status ${run}\` tells more`);
  });
  telemetry.on('run.reread', ({ run, slices, added }) => {
    const what = [
      ...(slices > 0 ? [`${plural(slices, 'slice')} once more`] : []),
      ...(added > 0 ? [`${plural(added, 'slice')} of what came beyond its ends`] : []),
    ];
    note(`run ${run}: the source does not hold what was read; fetching ${what.join(' and ')}`);
  });
  telemetry.on('feed.failed', ({ subscription, dataset, detail, againInMs }) => {
    say(
      `feed ${subscription}`,
      `${subscription} could not be told of changes in ${dataset}: ${detail}; again in ${duration(againInMs)}`,
    );
  });
  telemetry.on('feed.left', ({ subscription, reason }) => {
    note(`${subscription} is left to other workers to be told of changes: ${reason}`);
  });
  telemetry.on('feed.paused', ({ subscription, reason }) => {
    note(`${subscription} is paused, ${reason}; go on with: sheaf feed resume ${subscription}`);
  });
  telemetry.on('connection.trouble', ({ store, error }) => {
    say(store, `the connection to the ${store} has trouble: ${error.message}; trying again`);
  });
  return (next) => {
    note = next;
  };
}
