import { postSigned, type WebhookOptions } from '../notifications/webhook.ts';
import type { FeedMessage, Target } from './target.ts';

/** Posts each batch to a URL, signed. */
export function openWebhookTarget(options: WebhookOptions): Target {
  return {
    deliver: (message, stop) => postSigned(options, { id: message.id, body: bodyOf(message) }, stop),
    close: async () => undefined,
  };
}

/** The changes are put in as the texts that they are: a number is to arrive as the source wrote it. */
function bodyOf({ id, subscription, dataset, run, from, to, isLast, changes }: FeedMessage): string {
  const head = JSON.stringify({ type: 'changes', id, subscription, dataset, run, from, to, last: isLast });
  return `${head.slice(0, -1)},"changes":[${changes.map(({ text }) => text).join(',')}]}`;
}
