import type { RunReport } from './report.ts';
import type { RunState } from './run.ts';

/** How the end of a run is told. */
export type Channel = 'webhook' | 'command';

/**
 * waiting: to be delivered. delivered: the receiver has taken it. unwanted: of a state that nobody asked for. given-up:
 * tried for about a day in vain, or the receiver said that it is gone.
 */
export type NotificationState = 'waiting' | 'delivered' | 'unwanted' | 'given-up';

/** What a receiver gets. Scripts and servers rely on these names. */
export interface RunEnded {
  readonly type: 'run.ended';
  /** The same on every try; a receiver that has seen it before has nothing to do. */
  readonly id: string;
  /** When the run ended, in ISO 8601. */
  readonly at: string;
  readonly run: RunReport;
}

/** The states of a run that can be told. */
export const ENDED_STATES = ['complete', 'partial', 'failed', 'cancelled'] as const satisfies readonly RunState[];

/** From the end of one try to the next: about a day in all. */
export const PAUSES_MS = [5, 30, 120, 300, 900, 3_600, 7_200, 14_400, 28_800, 28_800].map((seconds) => seconds * 1_000);

/** So often is the end of a run told at most. */
export const MOST_TRIES = PAUSES_MS.length + 1;

/** How long after this many failed tries the next one comes; null when there is none. */
export function pauseAfterTry(attempts: number): number | null {
  return PAUSES_MS[attempts - 1] ?? null;
}
