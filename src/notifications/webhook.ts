import type { Deliverer, Delivery, Message } from './delivery.ts';
import { signMessage } from './sign.ts';

export interface WebhookOptions {
  readonly url: string;
  readonly secret: string;
  readonly userAgent: string;
  /** How long the receiver may take, in milliseconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const GONE = 410;

/** Posts each message to a URL, signed. */
export function createWebhook(options: WebhookOptions): Deliverer {
  return { channel: 'webhook', deliver: (message, stop) => postSigned(options, message, stop) };
}

/** Posts a message, signed. Never throws. */
export async function postSigned(
  options: WebhookOptions,
  message: Pick<Message, 'id' | 'body'>,
  stop: AbortSignal,
): Promise<Delivery> {
  try {
    return judge(await post(options, message, stop));
  } catch (error) {
    return { kind: 'failed', detail: wordsOf(error) };
  }
}

/** Answers with the status; the receiver's words are not read. */
async function post(
  { url, secret, userAgent, timeoutMs }: WebhookOptions,
  { id, body }: Pick<Message, 'id' | 'body'>,
  stop: AbortSignal,
): Promise<number> {
  const timestamp = Math.floor(Date.now() / 1_000);
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual', // whoever may redirect could have the message sent anywhere
    signal: AbortSignal.any([AbortSignal.timeout(timeoutMs ?? TIMEOUT_MS), stop]),
    headers: {
      'content-type': 'application/json',
      'user-agent': userAgent,
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signMessage(secret, { id, timestamp, body }),
    },
    body,
  });
  await response.body?.cancel();
  return response.status;
}

function judge(status: number): Delivery {
  const detail = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: 'delivered', detail };
  return { kind: status === GONE ? 'refused' : 'failed', detail };
}

/** `fetch` says only that it failed; why is in the cause. Neither holds the URL, which may be secret. */
function wordsOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return 'no answer in time';
  if (name === 'AbortError') return 'no answer before the end of this process';
  return cause?.code ?? cause?.message ?? 'the request failed';
}
