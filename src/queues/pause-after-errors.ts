import { setTimeout as sleep } from 'node:timers/promises';

/** How long a worker waits after a failed look for jobs. */
const PAUSE_MS = 500;

interface LooksForJobs {
  moveToActive(...args: unknown[]): Promise<unknown>;
}

/**
 * Makes a BullMQ worker wait after each error of looking for a job. By itself it waits only after those that it takes for a
 * refused connection; after any other, such as a reset, or a PostgreSQL that is just starting up, it asks again at once:
 * thousands of connections a second, at the very moment when the store can bear them least.
 */
export function pauseAfterErrors<Worker extends object>(worker: Worker): Worker {
  const looking = worker as unknown as LooksForJobs; // protected, and the only way in between
  const look = looking.moveToActive.bind(worker);
  looking.moveToActive = async (...args) => {
    try {
      return await look(...args);
    } catch (error) {
      await sleep(PAUSE_MS * (0.5 + Math.random()), undefined, { ref: false });
      throw error;
    }
  };
  return worker;
}
