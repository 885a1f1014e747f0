import { html } from 'ghtml';

/** The drawing's own units; it is stretched to the width that there is, and so its words stand around it and not in it. */
const WIDTH = 600;
const HEIGHT = 100;

export interface Plot {
  readonly title: string;
  /** What the drawing shows, in words. */
  readonly told: string;
  /** Of equal stretches from left to right; null where nothing is known. */
  readonly values: readonly (number | null)[];
  readonly format: (value: number) => string;
  /** What stands below its left and its right end. */
  readonly ends: readonly [string, string];
  /** The area below the line is filled where an amount is drawn. */
  readonly kind: 'amount' | 'duration';
}

/** A line over time with its axes, as a figure that can be read out. */
export function renderPlot({ title, told, values, format, ends, kind }: Plot): string {
  const top = niceTop(Math.max(...values.map((value) => value ?? 0)));
  const line = drawLine(values, top);
  const area = kind === 'amount' ? html`<path class="area" d="${line}V${HEIGHT}H0Z"/>` : '';
  const half = HEIGHT / 2;
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<div class="plot"><div class="axis" aria-hidden="true"><span>${format(top)}</span><span>${format(top / 2)}</span><span>0</span></div>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}: ${told}"><path class="grid" d="M0 0H${WIDTH}M0 ${half}H${WIDTH}M0 ${HEIGHT}H${WIDTH}"/>!${area}<path class="${kind}" d="${line}"/></svg></div>
<div class="axis across" aria-hidden="true"><span>${ends[0]}</span><span>${ends[1]}</span></div></figure>`;
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
