import { html } from 'ghtml';
import type { RunState } from '../../domain/run.ts';
import { ago } from './assets/ago.js';

/** A shape for each state, so that none is told by its colour alone; drawn in a square of 12. */
const STATE_SHAPES: Readonly<Record<RunState, string>> = {
  planning: 'M2 6h.01M6 6h.01M10 6h.01',
  fetching: 'M6 1.5v8M2.5 6.5L6 10l3.5-3.5',
  paused: 'M4 2v8M8 2v8',
  finalising: 'M1.5 3h9M1.5 6h9M1.5 9h5',
  complete: 'M1.5 6.5L5 10l5.5-8',
  partial: 'M6 1.5v5M6 10h.01',
  failed: 'M2 2l8 8M10 2l-8 8',
  cancelled: 'M2 6h8',
};

/** What a harvest is over, where one is chosen. */
export const KIND_TEXTS = { sweep: 'everything', step: 'what has changed' } as const;

/** A run's state as a word beside a shape. */
export function stateBadge(state: RunState): string {
  return html`<span class="state ${state}"><svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><path d="${STATE_SHAPES[state]}"/></svg>${state}</span>`;
}

/** The link to a run, by its name. */
export function runLink(run: string): string {
  return html`<a class="id" href="/runs/${run}">${run}</a>`;
}

/** The link to a dataset, written `source/entity`. */
export function datasetLink(dataset: string): string {
  const path = dataset.split('/').map(encodeURIComponent).join('/');
  return html`<a href="/datasets/${path}">${dataset}</a>`;
}

/** A moment: how long ago in words, the exact time for whoever asks for it. */
export function momentAgo(moment: Date, now: Date): string {
  const iso = moment.toISOString();
  return html`<time datetime="${iso}" title="${iso.slice(0, 19).replace('T', ' ')} UTC">${ago(now.getTime() - moment.getTime())}</time>`;
}

/** A part of the page that the server sends anew when it changes. */
export function livePart(name: string, content: string, element: 'div' | 'tr' = 'div'): string {
  return `<${element} data-part="${name}">${content}</${element}>`;
}

/** A term and what there is to say of it, in a list of figures. */
export function figure(term: string, value: string, note?: string): string {
  return html`<div><dt>${term}</dt><dd>!${value}!${note === undefined ? '' : html`<small>${note}</small>`}</dd></div>`;
}
