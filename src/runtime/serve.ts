import { resolve } from 'node:path';
import { OperatorError } from '../domain/errors.ts';
import { createApp } from '../server/app.ts';
import { createRunActions } from './actions.ts';
import type { SheafContext } from './context.ts';
import { VERSION } from './version.ts';

export interface Server {
  /** Where it is reached, e.g. `http://127.0.0.1:7070`. */
  readonly url: string;
  /** Ends what is under way and stops listening. Safe twice. */
  stop(): Promise<void>;
}

/** Starts the server. Port 0 takes a free one. Throws an OperatorError when it cannot listen there. */
export async function startServer(
  context: SheafContext,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Server> {
  const { database, telemetry, settings } = context;
  const out = resolve(settings.SHEAF_OUT);
  const app = await createApp({ database, telemetry, runs: createRunActions(context), out, version: VERSION });
  try {
    const url = await app.listen({ host, port });
    return { url, stop: () => app.close() };
  } catch (cause) {
    await app.close();
    const detail = (cause as Error).message;
    throw new OperatorError(
      `Cannot listen on ${host}, port ${port}: ${detail}. Choose another with --port and --host, or SHEAF_PORT and SHEAF_HOST.`,
      { code: 'cannot-listen', facts: { host, port }, cause },
    );
  }
}
