import { html } from 'ghtml';
import type { ChartPoint } from '../../../db/queries/run-samples.ts';
import { count, duration } from '../../../domain/numbers.ts';
import { renderPlot } from '../plot.ts';

/** Equal stretches of time from the first to the last; null where nothing is known of one. */
interface Series {
  readonly values: readonly (number | null)[];
  readonly stretchMs: number;
}

/** Throughput and latency of a run over time. Nothing for a run of which nothing is known yet. */
export function renderCharts(points: readonly ChartPoint[]): string {
  const [first] = points;
  const last = points.at(-1);
  if (first === undefined || last === undefined) return html`<p class="lead">Comes with the first pages.</p>`;
  const stretchMs = first.seconds * 1_000;
  const stretches = Math.round((last.at.getTime() - first.at.getTime()) / stretchMs) + 1;
  const placed: (ChartPoint | undefined)[] = new Array(stretches).fill(undefined);
  for (const point of points) placed[Math.round((point.at.getTime() - first.at.getTime()) / stretchMs)] = point;
  const speed = placed.map((point) => (point === undefined ? 0 : point.records / point.seconds));
  const latency = placed.map((point) =>
    point === undefined || point.pages === 0 ? null : point.fetchMs / point.pages,
  );
  return html`<div class="charts">!${renderSpeed({ values: speed, stretchMs })}!${renderLatency({ values: latency, stretchMs })}</div>`;
}

function renderSpeed(series: Series): string {
  const values = series.values.map((value) => value ?? 0);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const told = `${count(mean)} records a second on average over ${spanOf(series)}, ${count(Math.max(...values))} at most`;
  return renderPlot({
    title: 'Records a second',
    told,
    values,
    format: count,
    ends: ['0', spanOf(series)],
    kind: 'amount',
  });
}

function renderLatency(series: Series): string {
  const values = series.values.filter((value) => value !== null);
  if (values.length === 0) return '';
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const told = `the source took ${milliseconds(mean)} to answer on average, ${milliseconds(Math.max(...values))} in its slowest stretch`;
  return renderPlot({
    title: 'Answer time of the source',
    told,
    values: series.values,
    format: milliseconds,
    ends: ['0', spanOf(series)],
    kind: 'duration',
  });
}

function spanOf({ values, stretchMs }: Series): string {
  return duration(values.length * stretchMs);
}

function milliseconds(value: number): string {
  return value < 1_000 ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}
