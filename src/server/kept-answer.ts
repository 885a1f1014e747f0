import { setTimeout as sleep } from 'node:timers/promises';

export interface KeptAnswerOptions {
  /** For so long an answer is given again, in milliseconds. */
  readonly keepMs: number;
  /** Whoever asks is told after this long that there is no answer. */
  readonly withinMs: number;
}

/** Work that does not end within this is not waited for any longer; another is begun beside it. */
const ABANDON_MS = 10_000;

/**
 * Answers what is asked often with work that is done seldom, and never keeps anybody waiting for a store that hangs:
 * questions that come together share an answer, and work that hangs is not begun again for each of them.
 */
export function keepAnswer<T>({ keepMs, withinMs }: KeptAnswerOptions, work: () => Promise<T>): () => Promise<T> {
  let kept: { readonly answer: Promise<T>; readonly at: number } | undefined;
  let running: { readonly answer: Promise<T>; readonly at: number } | undefined;

  const begin = (now: number): Promise<T> => {
    if (running !== undefined && now - running.at < ABANDON_MS) return running.answer;
    const begun = { answer: work(), at: now };
    running = begun;
    const forget = () => {
      if (running === begun) running = undefined;
    };
    begun.answer.then(forget, forget);
    return begun.answer;
  };

  return () => {
    const now = performance.now();
    if (kept !== undefined && now - kept.at < keepMs) return kept.answer;
    const answer = orLate(begin(now), withinMs);
    kept = { answer, at: now };
    return answer;
  };
}

async function orLate<T>(work: Promise<T>, withinMs: number): Promise<T> {
  const timer = new AbortController();
  const late = sleep(withinMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer within ${withinMs / 1_000} seconds`);
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timer.abort());
}
