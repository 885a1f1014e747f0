import type { Channel } from '../domain/notification.ts';
import type { RunState } from '../domain/run.ts';

/** What a channel is given to deliver. */
export interface Message {
  readonly id: string;
  readonly run: string;
  readonly state: RunState;
  readonly dataset: string;
  /** JSON, the same on every try. */
  readonly body: string;
}

/** What came of one try, with a word on it for people. */
export type Delivery =
  | { readonly kind: 'delivered'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string }
  /** The receiver will never take it: there is no other try. */
  | { readonly kind: 'refused'; readonly detail: string };

/** A way to tell somebody. */
export interface Deliverer {
  readonly channel: Channel;
  /** Within a minute, or soon after `stop`, and never throws. */
  deliver(message: Message, stop: AbortSignal): Promise<Delivery>;
}
