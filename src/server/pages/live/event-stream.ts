import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Viewer } from './watch.ts';

/** How long a viewer may take no data before it is dropped. A browser that is still there comes back by itself. */
const PATIENCE_MS = 20_000;
/** How long a stream goes on. The browser comes back by itself, and is asked anew who it is: it may have signed out. */
const LIFE_MS = 15 * 60_000;

/** An event on its way: made once, however many viewers it goes to. */
export function encodeEvent(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * One viewer's stream of server-sent events. Nothing piles up for a viewer that does not read: what comes meanwhile is
 * left out, and `wasSkipped` says that it has to be told everything anew.
 */
export class EventStream implements Viewer {
  readonly #response: ServerResponse;
  #fullSince: number | null = null;
  wasSkipped = false;

  /** Takes the reply over from Fastify. `onClose` is called once, whoever ends the stream. */
  constructor(reply: FastifyReply, onClose: () => void) {
    reply.hijack();
    this.#response = reply.raw;
    reply.headers({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // nginx would hold events back
    });
    this.#response.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
    this.#response.on('drain', () => {
      this.#fullSince = null;
    });
    this.#response.on('error', () => undefined);
    const life = setTimeout(() => this.end(), LIFE_MS);
    this.#response.once('close', () => {
      clearTimeout(life);
      onClose();
    });
    this.#response.write('retry: 2000\n\n');
  }

  /** Sends an event, or leaves it out because the viewer has not taken the last ones yet. */
  send(event: string): void {
    if (this.#fullSince !== null) {
      this.wasSkipped = true;
      if (performance.now() - this.#fullSince > PATIENCE_MS) this.#response.destroy();
      return;
    }
    if (!this.#response.write(event)) this.#fullSince = performance.now();
  }

  /** Whether the viewer takes events at present. */
  get isReady(): boolean {
    return this.#fullSince === null;
  }

  end(): void {
    this.#response.end();
  }
}
