import { readFileSync } from 'node:fs';
import type { LoggedRequest } from '../src/twin/request-log.ts';

/** How well a harvest used the requests that it may have under way, where the upstream's latency bounds it. */
export interface Pipeline {
  readonly pages: number;
  /** Concurrency / latency: what no program can surpass. */
  readonly idealPagesPerSecond: number;
  /** From the first page asked for to the last one answered. */
  readonly pagesPerSecond: number;
  /** The same, without the ramp-up and the tail. */
  readonly steadyPagesPerSecond: number;
  /**
   * Of the time of all requests that may be under way, the part in which they were. What is missing is the program's doing;
   * of what is missing from the ideal a part is the upstream's own: timers and a busy machine make its answers late.
   */
  readonly usedShare: number;
  /** What an answer took, by the upstream's clock. */
  readonly answerMs: number;
  /** Until as many were under way as may be; null when they never were. */
  readonly rampUpMs: number | null;
  /** From the last moment at which as many were under way as may be. */
  readonly tailMs: number | null;
  readonly durationMs: number;
}

interface Limits {
  readonly concurrency: number;
  readonly latencyMs: number;
}

/** Of a page that is kept: it is asked for by a range of keys, or by a position. What a plan asks for is neither. */
const PAGE = / le |[$]skip=/;

/** Reads from the request log of the twin what one harvest asked for. */
export function readPipeline(requestLog: string, harvest: Span, limits: Limits): Pipeline {
  const lines = readFileSync(requestLog, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const pages = lines
    .map((line) => JSON.parse(line) as LoggedRequest)
    .filter(({ rows, path }) => rows > 1 && PAGE.test(path));
  const isOfHarvest = ({ startedAt }: Page) =>
    startedAt >= harvest.startedAt && startedAt <= harvest.startedAt + harvest.wallMs;
  return describePipeline(pages.filter(isOfHarvest), limits);
}

interface Span {
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  readonly wallMs: number;
}

type Page = Pick<LoggedRequest, 'startedAt' | 'durationMs'>;

export function describePipeline(pages: readonly Page[], { concurrency, latencyMs }: Limits): Pipeline {
  const moments = pages
    .flatMap(({ startedAt, durationMs }) => [
      { at: startedAt, change: 1 },
      { at: startedAt + durationMs, change: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.change - b.change);
  const first = moments[0]?.at ?? 0;
  const last = moments.at(-1)?.at ?? 0;
  const full = fullStretch(moments, concurrency);
  const perSecond = (count: number, ms: number) => (ms > 0 ? (count * 1_000) / ms : 0);
  const between = pages.filter(({ startedAt, durationMs }) => {
    const end = startedAt + durationMs;
    return full !== null && end > full.from && end <= full.to;
  });
  const answersMs = pages.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return {
    pages: pages.length,
    idealPagesPerSecond: perSecond(concurrency, latencyMs),
    pagesPerSecond: perSecond(pages.length, last - first),
    steadyPagesPerSecond: full === null ? 0 : perSecond(between.length, full.to - full.from),
    usedShare: last > first ? answersMs / (concurrency * (last - first)) : 0,
    answerMs: answersMs / Math.max(1, pages.length),
    rampUpMs: full === null ? null : full.from - first,
    tailMs: full === null ? null : last - full.to,
    durationMs: last - first,
  };
}

/** The first and the last moment at which so many were under way. */
function fullStretch(moments: readonly { at: number; change: number }[], concurrency: number) {
  let underWay = 0;
  let stretch: { from: number; to: number } | null = null;
  for (const { at, change } of moments) {
    if (underWay >= concurrency && stretch !== null) stretch.to = at;
    underWay += change;
    if (underWay >= concurrency) stretch ??= { from: at, to: at };
  }
  return stretch;
}

export function renderPipeline(pipeline: Pipeline): string[] {
  const { idealPagesPerSecond: ideal, pagesPerSecond, steadyPagesPerSecond, rampUpMs, tailMs, durationMs } = pipeline;
  const share = (value: number, of: number) => `${((100 * value) / of).toFixed(1)} %`;
  const orNever = (ms: number | null, render: (ms: number) => string) => (ms === null ? 'never full' : render(ms));
  return [
    String(pipeline.pages),
    ideal.toFixed(0),
    `${pagesPerSecond.toFixed(1)} (${share(pagesPerSecond, ideal)})`,
    `${steadyPagesPerSecond.toFixed(1)} (${share(steadyPagesPerSecond, ideal)})`,
    share(pipeline.usedShare, 1),
    pipeline.answerMs.toFixed(1),
    orNever(rampUpMs, (ms) => `${Math.round(ms)} ms`),
    orNever(tailMs, (ms) => `${Math.round(ms)} ms (${share(ms, durationMs)})`),
  ];
}

export const PIPELINE_HEAD = [
  'pages',
  'ideal pages/s',
  'pages/s',
  'in between',
  'requests in use',
  'answer ms',
  'ramp-up',
  'tail',
];
