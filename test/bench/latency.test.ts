import { describe, expect, it } from 'vitest';
import { describePipeline } from '../../bench/latency.ts';

const limits = { concurrency: 2, latencyMs: 100 };
const page = (startedAt: number) => ({ startedAt, durationMs: 100 });

describe('the pipeline of a harvest', () => {
  it('is told by when as many requests were under way as may be', () => {
    // One alone for 50 ms, then two until 350 ms, then the last one alone.
    const pages = [page(0), page(50), page(100), page(150), page(200), page(250), page(350)];
    expect(describePipeline(pages, limits)).toEqual({
      pages: 7,
      idealPagesPerSecond: 20,
      pagesPerSecond: 7_000 / 450,
      steadyPagesPerSecond: 20,
      usedShare: 700 / 900,
      answerMs: 100,
      rampUpMs: 50,
      tailMs: 150,
      durationMs: 450,
    });
  });

  it('is never full when its requests come one by one', () => {
    const described = describePipeline([page(0), page(100), page(200)], limits);
    expect(described).toMatchObject({ pagesPerSecond: 10, rampUpMs: null, tailMs: null });
  });

  it('has no pace without pages', () => {
    expect(describePipeline([], limits)).toMatchObject({
      pages: 0,
      pagesPerSecond: 0,
      usedShare: 0,
      answerMs: 0,
      rampUpMs: null,
    });
  });
});
