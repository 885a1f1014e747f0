import { html } from 'ghtml';
import type { ChartPoint } from '../../../db/queries/run-samples.ts';
import { count, duration } from '../../../domain/numbers.ts';

/** The drawing's own units; it is stretched to the width that there is, and so its words stand around it and not in it. */
const WIDTH = 600;
const HEIGHT = 100;

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
  return renderPlot({ series, title: 'Records a second', told, name: 'speed', format: count });
}

function renderLatency(series: Series): string {
  const values = series.values.filter((value) => value !== null);
  if (values.length === 0) return '';
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const told = `the source took ${milliseconds(mean)} to answer on average, ${milliseconds(Math.max(...values))} in its slowest stretch`;
  return renderPlot({ series, title: 'Answer time of the source', told, name: 'latency', format: milliseconds });
}

interface Plot {
  readonly series: Series;
  readonly title: string;
  /** What the drawing shows, in words. */
  readonly told: string;
  readonly name: 'speed' | 'latency';
  readonly format: (value: number) => string;
}

function renderPlot({ series, title, told, name, format }: Plot): string {
  const top = niceTop(Math.max(...series.values.map((value) => value ?? 0)));
  const line = drawLine(series.values, top);
  const area = name === 'speed' ? html`<path class="area" d="${line}V${HEIGHT}H0Z"/>` : '';
  const half = HEIGHT / 2;
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<div class="plot"><div class="axis" aria-hidden="true"><span>${format(top)}</span><span>${format(top / 2)}</span><span>0</span></div>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}: ${told}"><path class="grid" d="M0 0H${WIDTH}M0 ${half}H${WIDTH}M0 ${HEIGHT}H${WIDTH}"/>!${area}<path class="${name}" d="${line}"/></svg></div>
<div class="axis across" aria-hidden="true"><span>0</span><span>${spanOf(series)}</span></div></figure>`;
}

/** A line through the middles of the stretches, level at both ends; it breaks where nothing is known. */
export function drawLine(values: readonly (number | null)[], top: number): string {
  const step = WIDTH / values.length;
  const parts: string[] = [];
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isDrawing = false;
      continue;
    }
    const y = round(HEIGHT - (value / top) * HEIGHT);
    const startsHere = isDrawing ? 'L' : 'M';
    parts.push(index === 0 ? `M0 ${y}L${round(step / 2)} ${y}` : `${startsHere}${round((index + 0.5) * step)} ${y}`);
    isDrawing = true;
    if (index === values.length - 1) parts.push(`H${WIDTH}`);
    else if (values[index + 1] === null) parts.push(`h${round(step / 2)}`);
  }
  return parts.join('');
}

/** The next of 1, 2 or 5 times a power of ten, so that the axis can be read. */
export function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const top = [1, 2, 5, 10].find((each) => each * power >= value) ?? 10;
  return top * power;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function spanOf({ values, stretchMs }: Series): string {
  return duration(values.length * stretchMs);
}

function milliseconds(value: number): string {
  return value < 1_000 ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}
