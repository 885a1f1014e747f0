import { html } from 'ghtml';
import { count, duration, plural } from '../../../domain/numbers.ts';
import { hasEnded } from '../../../domain/run.ts';
import type { RunView } from './gather.ts';

/** Workers that are alive take slices within seconds; after this long, something keeps them from it. */
const IDLE_MS = 30_000;

/** Beside the state: what keeps a run from going on, and what to do. Nothing where it does. */
export function renderWaiting({ gate, run }: RunView): string {
  if (hasEnded(run.state)) return '';
  if (run.state === 'paused')
    return html`<p class="reason">Paused: nothing is fetched until it is resumed, here or with <code>sheaf resume ${run.id}</code>.</p>`;
  const { source } = run.request.dataset;
  if (gate.breaker !== 'closed')
    return html`<p class="reason">${source} does not answer, and is asked now and then whether it is back: ${gate.error?.message ?? 'no reason was noted'}</p>`;
  if (gate.closedForMs === 0) return '';
  return html`<p class="reason">${source} asked to be left alone for another ${duration(gate.closedForMs)}.</p>`;
}

/** How the source's gate stands. */
export function renderGate({ gate, run }: RunView): string {
  const { breaker, closedForMs, learnt, failures, error } = gate;
  const state =
    breaker === 'closed' ? 'closed: requests pass' : `${breaker}: the source is asked now and then whether it is back`;
  const lines = [
    ...(closedForMs > 0 ? [describePause(breaker, closedForMs)] : []),
    ...(learnt === null
      ? []
      : [`It refused more than about ${learnt.limit.toFixed(1)} requests a second; the fleet keeps to that.`]),
    ...(failures > 0
      ? [`${plural(failures, 'request')} in a row failed, the last: ${error?.message ?? 'no reason was noted'}`]
      : []),
  ];
  return html`<dl class="facts"><div><dt>Breaker of ${run.request.dataset.source}</dt><dd>${state}</dd></div></dl>!${lines.map((line) => html`<p>${line}</p>`)}`;
}

/** It is the source that asks for a pause, or Sheaf that makes one because the source does not answer. */
function describePause(breaker: RunView['gate']['breaker'], forMs: number): string {
  if (breaker === 'closed') return `The source asked to be left alone for another ${duration(forMs)}.`;
  return `The source does not answer. Sheaf asks it again in ${duration(forMs)}.`;
}

/** Which workers hold slices. */
export function renderHolders(view: RunView): string {
  const { holders, run } = view;
  if (hasEnded(run.state)) return '';
  if (holders.length === 0) return renderNobody(view);
  const rows = holders.map(
    ({ id, host, pid, isAlive, slices }) =>
      html`<tr><th scope="row">${id}</th><td>${host}, pid ${pid}</td><td class="number">${count(slices)}</td><td>${isAlive ? 'alive' : 'dead; others take over within seconds'}</td></tr>`,
  );
  return html`<div class="scroll"><table><caption class="hidden">Workers that hold slices of this run</caption><thead><tr><th scope="col">Worker</th><th scope="col">Where</th><th scope="col" class="number">Slices</th><th scope="col">State</th></tr></thead><tbody>!${rows}</tbody></table></div>`;
}

/** Why no worker holds a slice, as far as can be told. */
function renderNobody({ run, map, gate, liveWorkers, now }: RunView): string {
  if (run.state === 'paused') return html`<p>No worker holds a slice of this run: it is paused.</p>`;
  if (liveWorkers === 0) return html`<p>No worker holds a slice of this run. <code>sheaf worker</code> starts one.</p>`;
  const alive = `${plural(liveWorkers, 'worker')} ${liveWorkers === 1 ? 'is' : 'are'} alive`;
  const since = map.lastPageAt ?? run.sealedAt ?? run.createdAt;
  const isWaiting = gate.breaker !== 'closed' || gate.closedForMs > 0;
  if (run.state !== 'fetching' || isWaiting || now.getTime() - since.getTime() < IDLE_MS)
    return html`<p>No worker holds a slice of this run at the moment; ${alive}.</p>`;
  return html`<p>${alive}, but none has taken a slice of this run for ${duration(now.getTime() - since.getTime())}. See what keeps them from the queue: <a href="/readyz">/readyz</a>, or <code>sheaf doctor</code>.</p>`;
}
