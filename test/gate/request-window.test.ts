import { describe, expect, it } from 'vitest';
import { createRequestWindow, type RequestEnd } from '../../src/gate/request-window.ts';

/** A source that answers `capacity` requests at once in 50 ms, and each beyond them 100 ms later. */
const latencyOf = (underWay: number, capacity: number) => 50 + 100 * Math.max(0, underWay - capacity);

/** A request has ended, and what became of it is known. */
const end = (window: ReturnType<typeof createRequestWindow>, request: RequestEnd) => {
  window.heed(request);
  window.leave();
};

/** Plays rounds of requests, each as many as the window lets in, against such a source; returns the widths. */
async function play(
  window: ReturnType<typeof createRequestWindow>,
  rounds: number,
  capacity: number,
): Promise<number[]> {
  const widths: number[] = [];
  let now = 0;
  for (let round = 0; round < rounds; round++) {
    const width = window.width();
    widths.push(width);
    for (let request = 0; request < width; request++) await window.enter();
    const sentAt = now;
    now += latencyOf(width, capacity);
    for (let request = 0; request < width; request++) end(window, { end: 'well', kind: 'page', sentAt, now });
  }
  return widths;
}

describe('a request window', () => {
  it('opens to its ceiling within a few rounds when answers stay quick', async () => {
    expect(
      await play(
        createRequestWindow(() => 16),
        5,
        100,
      ),
    ).toEqual([2, 4, 8, 16, 16]);
  });

  it('settles where answers begin to slow down, and does not give up most of it', async () => {
    const widths = await play(
      createRequestWindow(() => 64),
      200,
      8,
    );
    for (const width of widths.slice(50)) {
      expect(width).toBeGreaterThanOrEqual(6);
      expect(width).toBeLessThanOrEqual(14);
    }
  });

  it('narrows to one while everything fails, and opens again afterwards', async () => {
    const window = createRequestWindow(() => 8);
    await play(window, 4, 100);
    let now = 10_000;
    for (let time = 0; time < 60; time++) {
      await window.enter();
      end(window, { end: 'trouble', sentAt: now, now: now + 10 });
      now += 20;
    }
    expect(window.width()).toBe(1);
    for (let time = 0; time < 60; time++) {
      await window.enter();
      end(window, { end: 'well', kind: 'page', sentAt: now, now: now + 50 });
      now += 60;
    }
    expect(window.width()).toBe(8);
  });

  it('bears a fifth of the requests failing by chance', async () => {
    const window = createRequestWindow(() => 8);
    await play(window, 4, 100);
    let now = 10_000;
    for (let time = 0; time < 500; time++) {
      await window.enter();
      end(window, { end: time % 5 === 0 ? 'trouble' : 'well', kind: 'page', sentAt: now, now: now + 50 });
      now += 60;
    }
    expect(window.width()).toBe(8);
  });

  it('does not take requests of another kind, that take longer, for a source under strain', async () => {
    const window = createRequestWindow(() => 8);
    await play(window, 4, 100);
    let now = 10_000;
    for (let time = 0; time < 200; time++) {
      await window.enter();
      const [kind, ms] = time % 5 === 0 ? ['small', 90] : ['large', 600];
      end(window, { end: 'well', kind, sentAt: now, now: now + ms });
      now += 600;
    }
    expect(window.width()).toBe(8);
  });

  it('follows its ceiling down and up', async () => {
    let ceiling = 8;
    const window = createRequestWindow(() => ceiling);
    await play(window, 5, 100);
    ceiling = 3;
    expect(window.width()).toBe(3);
    ceiling = 2.5;
    expect(window.width()).toBe(2);
    ceiling = 0.2; // a small share of a few
    expect(window.width()).toBe(1);
  });

  it('serves in the order of asking, and forgets who has stopped waiting', async () => {
    const window = createRequestWindow(() => 1);
    const order: string[] = [];
    await window.enter();
    const stop = new AbortController();
    const gone = window.enter(stop.signal);
    const waiting = ['a', 'b'].map((name) => window.enter().then(() => order.push(name)));
    stop.abort(new Error('stopping'));
    await expect(gone).rejects.toThrow('stopping');
    for (let time = 0; time < 2; time++) {
      end(window, { end: 'well', kind: 'page', sentAt: 0, now: 1 });
      await waiting[time];
    }
    expect(order).toEqual(['a', 'b']);
  });

  it('lets the next one in when one has left, whatever comes of it, and opens by what came of it later', async () => {
    const window = createRequestWindow(() => 8);
    await Promise.all([window.enter(), window.enter()]);
    const isIn = [false, false];
    const waiting = isIn.map((_not, position) =>
      window.enter().then(() => {
        isIn[position] = true;
      }),
    );
    window.leave();
    await waiting[0];
    expect(isIn).toEqual([true, false]);
    window.heed({ end: 'well', kind: 'page', sentAt: 0, now: 100 });
    await waiting[1];
    expect(window.width()).toBe(3);
  });
});
