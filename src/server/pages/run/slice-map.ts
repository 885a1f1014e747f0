import { html } from 'ghtml';
import { count } from '../../../domain/numbers.ts';
import { drawSlices, LARGEST_UNIT, packStates } from '../assets/slice-map.js';

/** How the slices of a run stand, in the words of the legend. */
const LEGEND = [
  { letter: 'd', name: 'done' },
  { letter: 'w', name: 'being worked' },
  { letter: 'p', name: 'waiting' },
  { letter: 'f', name: 'failed' },
] as const;

/** The map itself. Its states are packed beside it for the script, which keeps it up to date. */
export function renderSliceMap(states: string): string {
  const { width, height, paths } = drawSlices(states);
  const drawn = LEGEND.map(
    ({ letter }) => html`<path class="slice-${letter}" data-letter="${letter}" d="${paths[letter]}"/>`,
  );
  return html`<svg id="slice-map" class="slice-map" viewBox="0 0 ${width} ${height}" width="${width * LARGEST_UNIT}" height="${height * LARGEST_UNIT}" role="img" aria-labelledby="slice-text" data-states="${packStates(states)}">!${drawn}</svg>
<p id="slice-hint" class="hint" aria-hidden="true"></p>`;
}

/** The map in words: its legend, and what a screen reader says of it. */
export function renderSliceLegend(states: string): string {
  const counts = LEGEND.map(({ letter, name }) => ({ letter, name, slices: countOf(states, letter) }));
  return html`<ul class="legend" id="slice-text" aria-label="Slices by state">!${counts.map(({ letter, name, slices }) => html`<li>!${sample(letter)} <b>${count(slices)}</b> ${name}</li>`)}</ul>`;
}

function sample(letter: string): string {
  const { paths } = drawSlices(letter);
  return html`<svg viewBox="0 0 10 10" width="12" height="12" aria-hidden="true"><path class="slice-${letter}" d="${paths[letter as keyof typeof paths]}"/></svg>`;
}

function countOf(states: string, letter: string): number {
  return states.split(letter).length - 1;
}
