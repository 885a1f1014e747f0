import type { FastifyReply } from 'fastify';
import { toStoredError } from '../../../domain/errors.ts';
import type { Telemetry } from '../../../telemetry/events.ts';
import type { Pace } from '../progress.ts';
import { EventStream } from './event-stream.ts';
import { type Picture, Watch, type Watched } from './watch.ts';

/** What the pages remember between two requests. */
export interface Live {
  readonly pace: Pace;
  readonly watches: Watches;
}

/** Everything that is watched at present, by its address. */
export class Watches {
  readonly #watches = new Map<string, Watch>();
  readonly #telemetry: Telemetry;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** Lets a viewer watch; `createLook` is called for the first one only. */
  join(address: string, reply: FastifyReply, createLook: () => () => Promise<Picture>): void {
    const known = this.#watches.get(address);
    const watch = known ?? new Watch(createLook(), this.#watched(address));
    this.#watches.set(address, watch);
    const viewer = new EventStream(reply, () => watch.remove(viewer));
    watch.add(viewer);
  }

  #watched(path: string): Watched {
    return {
      onEmpty: () => this.#watches.delete(path),
      onFailure: (error) => this.#telemetry.emit('server.failed', { method: 'GET', path, error: toStoredError(error) }),
    };
  }

  /** How many things are watched. */
  get size(): number {
    return this.#watches.size;
  }

  /** Ends all streams. */
  close(): void {
    for (const watch of this.#watches.values()) watch.close();
  }
}
