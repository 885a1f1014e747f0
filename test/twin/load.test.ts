import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createRateWindow } from '../../src/twin/rate-window.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { manyRows, setup } from './setup.ts';

const dataset = inlineData({ Stemmetype: manyRows(3) });

describe('a rate limit', () => {
  it('lets so many requests in, of all at once, and refuses the rest without delay', async () => {
    const retryAfter = { inSeconds: 2 } as const;
    const rateLimit = { requests: 3, perMs: 60_000, retryAfter };
    const { get, twin } = await setup({ dataset, latencyMs: 300, behaviour: { rateLimit } });
    const responses = await Promise.all(Array.from({ length: 8 }, () => get('Stemmetype?$top=1')));
    const refused = responses.filter(({ status }) => status === 429);
    expect(refused.map(({ headers }) => headers.get('retry-after'))).toEqual(Array(5).fill('2'));
    const logged = twin.requests.filter(({ fault }) => fault === 'rate-limit');
    expect(logged).toHaveLength(5);
    expect(logged[0]).toMatchObject({ path: '/api/Stemmetype?$top=1', entity: 'Stemmetype', status: 429, rows: 0 });
    expect(Math.max(...logged.map(({ durationMs }) => durationMs))).toBeLessThan(250);
  });

  it('says when to come again as a date, or not at all', async () => {
    const limit = { requests: 0, perMs: 1000 };
    const rateLimit = { ...limit, retryAfter: { dateInSeconds: 60 } };
    const { get, twin } = await setup({ dataset, behaviour: { rateLimit } });
    const ahead = Date.parse((await get('Stemmetype')).headers.get('retry-after') ?? '') - Date.now();
    expect(ahead).toBeGreaterThan(50_000);
    twin.setBehaviour({ rateLimit: limit });
    const response = await get('Stemmetype');
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([429, null, '']);
  });

  it('lets in again when its time is over, and begins anew when it is set anew', async () => {
    const { get, twin } = await setup({ dataset, behaviour: { rateLimit: { requests: 1, perMs: 150 } } });
    const statuses = [(await get('Stemmetype')).status, (await get('Stemmetype')).status];
    await sleep(160);
    statuses.push((await get('Stemmetype')).status);
    twin.setBehaviour({ rateLimit: { requests: 1, perMs: 60_000 } });
    statuses.push((await get('Stemmetype')).status, (await get('Stemmetype')).status);
    twin.setBehaviour({ rateLimit: null });
    statuses.push((await get('Stemmetype')).status);
    expect(statuses).toEqual([200, 429, 200, 200, 429, 200]);
  });

  it('spends no fault on a refused request', async () => {
    const faults = [{ fault: { kind: 'html-body' }, count: 1 }] as const;
    const { get, twin } = await setup({ dataset, behaviour: { faults, rateLimit: { requests: 0, perMs: 1000 } } });
    await get('Stemmetype');
    twin.setBehaviour({ rateLimit: null });
    await get('Stemmetype');
    expect(twin.requests.map(({ fault }) => fault)).toEqual(['rate-limit', 'html-body']);
  });

  it('slides: at no moment were more let in within the time before it', () => {
    const window = createRateWindow();
    const limit = { requests: 2, perMs: 100 };
    const times = [0, 60, 99, 100, 110, 159, 160, 170, 200];
    expect(times.filter((time) => window.admits(limit, time))).toEqual([0, 60, 100, 160, 200]);
  });

  it('can punish: each refusal shuts the door for a while, also to those who would have been let in', () => {
    const window = createRateWindow();
    const limit = { requests: 1, perMs: 100, penaltyMs: 80 };
    const times = [0, 50, 129, 208, 287, 367];
    expect(times.filter((time) => window.admits(limit, time))).toEqual([0, 367]);
  });
});

describe('the latency', () => {
  const latencyMs = { min: 20, max: 20, capacity: 2, perExtraMs: 60 };

  it('grows with each request under way beyond the capacity, and falls with them', async () => {
    const { get, twin } = await setup({ dataset, latencyMs });
    await Promise.all(Array.from({ length: 5 }, () => get('Stemmetype')));
    const under = twin.requests.map(({ durationMs }) => durationMs).toSorted((left, right) => left - right);
    // 20, 20, 80, 140, 200; upper bounds are left to the machine.
    for (const [at, least] of [18, 18, 78, 138, 198].entries()) expect(under[at]).toBeGreaterThan(least);
    expect(under[1]).toBeLessThan(78);
    twin.clearRequests();
    await Promise.all([get('Stemmetype'), get('Stemmetype')]);
    expect(Math.max(...twin.requests.map(({ durationMs }) => durationMs))).toBeLessThan(78);
  });

  it('does not count requests that were refused, or given up', async () => {
    const hang = { fault: { kind: 'hang' }, count: 3 } as const;
    const { get, twin } = await setup({ dataset, latencyMs, behaviour: { faults: [hang] } });
    const given = Array.from({ length: 3 }, () => get('Stemmetype', { signal: AbortSignal.timeout(150) }));
    await Promise.allSettled(given);
    await expect.poll(() => twin.requests.length).toBe(3);
    twin.setBehaviour({ rateLimit: { requests: 1, perMs: 60_000 } });
    const responses = await Promise.all(Array.from({ length: 6 }, () => get('Stemmetype')));
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(5);
    twin.setBehaviour({ rateLimit: null });
    await get('Stemmetype');
    const waited = twin.requests.filter(({ fault }) => fault === null).map(({ durationMs }) => durationMs);
    expect(waited).toHaveLength(2);
    expect(Math.max(...waited)).toBeLessThan(78);
  });
});
