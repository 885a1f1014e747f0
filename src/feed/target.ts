import type { FeedBatch } from '../db/queries/feed.ts';
import type { FeedPosition } from '../domain/subscription.ts';
import type { Delivery } from '../notifications/delivery.ts';

/** Some changes of one merge, on their way to a subscriber. On every try the same to the byte. */
export interface FeedMessage extends FeedBatch {
  readonly id: string;
  readonly subscription: string;
  readonly dataset: string;
  readonly run: string;
  /** What was told before of this merge: its moment, and the last key. */
  readonly from: FeedPosition;
  /** The last change that is told here. */
  readonly to: FeedPosition;
}

/** Where a subscriber is told. */
export interface Target {
  /** Delivers all of it, in order, or says that it may not have. Within a minute, or soon after `stop`; never throws. */
  deliver(message: FeedMessage, stop: AbortSignal): Promise<Delivery>;
  /** Lets go of connections. Never throws. */
  close(): Promise<void>;
}
