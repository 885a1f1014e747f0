import { html } from 'ghtml';
import { bytes, count, duration, plural } from '../../../domain/numbers.ts';
import type { Ahead } from '../../../domain/proof.ts';
import { hasEnded } from '../../../domain/run.ts';
import { datasetLink, figure, livePart, momentAgo, stateBadge } from '../elements.ts';
import type { Progress } from '../progress.ts';
import { renderActions } from './actions.ts';
import { renderCharts } from './chart.ts';
import { renderDrift } from './drift.ts';
import type { RunFigures, RunView } from './gather.ts';
import { renderDeeds, renderErrors, renderExports, renderRejects, renderRelated } from './parts.ts';
import { renderProof } from './proof.ts';
import { renderSliceLegend, renderSliceMap } from './slice-map.ts';
import { renderGate, renderHolders, renderWaiting } from './source.ts';

/** What stands in the place of the page's heading. */
export function renderRunHeading({ run }: RunFigures): string {
  return html`<div><p class="over">Run of !${datasetLink(run.dataset)}</p><h1 class="id">${run.id}</h1></div>`;
}

/** The page of a run. Steering is for operators. */
export function renderRun(view: RunView, canSteer: boolean): string {
  const parts = renderParts(view);
  const part = (name: keyof typeof parts) => livePart(name, parts[name]);
  return html`!${part('summary')}!${part('waiting')}
!${canSteer ? part('actions') : ''}
!${part('figures')}
<section aria-labelledby="slices"><h2 id="slices">Slices</h2>!${renderSliceMap(view.map.states)}!${part('legend')}</section>
!${part('troubles')}
!${part('drift')}
<section aria-labelledby="time"><h2 id="time">Over time</h2>!${part('charts')}</section>
<div class="columns">
<section aria-labelledby="proof"><h2 id="proof">Proof of completeness</h2>!${part('proof')}</section>
<section aria-labelledby="changes"><h2 id="changes">What changed</h2>!${part('changes')}</section>
<section aria-labelledby="exports"><h2 id="exports">Files</h2>!${part('exports')}</section>
<section aria-labelledby="source"><h2 id="source">Source and workers</h2>!${part('source')}</section>
<section aria-labelledby="asked"><h2 id="asked">What was asked for</h2>!${renderAsked(view)}</section>
<section aria-labelledby="deeds"><h2 id="deeds">Who did what</h2>!${part('deeds')}</section>
</div>`;
}

/** What changes from second to second, by name. */
export function renderQuickParts(figures: RunFigures, now: Date) {
  return {
    summary: renderSummary(figures, now),
    actions: renderActions(figures.run, figures.map.states.includes('f')),
    figures: renderFigures(figures),
    legend: renderSliceLegend(figures.map.states),
  };
}

/** All parts that change while the run goes on, by name: pure, so that they can be compared and sent when they differ. */
export function renderParts(view: RunView) {
  const { run } = view;
  return {
    ...renderQuickParts(view, view.now),
    waiting: renderWaiting(view),
    charts: renderCharts(view.points),
    troubles: renderErrors(view.errors),
    drift: renderDrift(view.drift),
    proof: renderProof(run.proof, hasEnded(run.state)),
    changes: renderChanges(view),
    exports: renderExports(view),
    deeds: renderDeeds(view),
    source: `${renderGate(view)}${renderHolders(view)}`,
  };
}

function renderSummary({ run, map }: RunFigures, now: Date): string {
  const times = [
    html`started !${momentAgo(run.createdAt, now)}`,
    ...(run.finishedAt === null ? [] : [html`ended !${momentAgo(run.finishedAt, now)}`]),
    ...(run.finishedAt === null && map.lastPageAt !== null ? [html`last page !${momentAgo(map.lastPageAt, now)}`] : []),
  ];
  const reason = run.reason === null ? '' : html`<p class="reason">${run.reason}</p>`;
  const generation = run.generation === 1 ? '' : html`, generation ${run.generation}`;
  return html`<p class="summary">!${stateBadge(run.state)} <span>!${times.join(', ')}!${generation}</span></p>!${reason}`;
}

function renderFigures({ run, map, progress }: RunFigures): string {
  const records = run.proof?.distinctKeys ?? map.records;
  const percent = progress.share === null ? null : Math.floor(progress.share * 100);
  const took = (run.finishedAt ?? new Date()).getTime() - run.createdAt.getTime();
  const time = hasEnded(run.state)
    ? figure('Took', html`${duration(took)}`)
    : figure('Time left', html`${progress.leftMs === null ? '–' : duration(progress.leftMs)}`);
  return html`!${percent === null ? '' : html`<progress class="wide" aria-label="Progress of the run" max="100" value="${percent}">${percent} %</progress>`}
<dl class="figures">
!${figure('Progress', percent === null ? '–' : html`${percent} %`)}
!${figure('Records', count(records), run.expected === null ? 'the source does not count them' : `of ${count(run.expected)}`)}
!${hasEnded(run.state) ? '' : renderSpeed(progress)}
!${time}
!${figure('Pages', count(map.pages), bytes(map.bytes))}
!${figure('Requests', count(map.requests + run.planRequests), `${count(map.retries)} repeated`)}
!${figure('Rejects', count(map.rejects))}
</dl>`;
}

function renderSpeed({ recordsPerSecond }: Progress): string {
  return recordsPerSecond === null
    ? figure('Speed', '–')
    : figure('Speed', count(recordsPerSecond), 'records a second');
}

function renderChanges({ run, rejects }: RunView): string {
  const merge = run.mergedGeneration === run.generation ? run.merge : null;
  const merged =
    merge === null
      ? html`<p class="lead">Nothing has been written to the table${hasEnded(run.state) ? '' : ' yet'}.</p>`
      : html`<dl class="figures small">!${figure('Inserted', count(merge.inserted))}!${figure('Updated', count(merge.updated))}!${figure('Unchanged', count(merge.unchanged))}!${figure('Deleted', count(merge.deleted))}!${merge.rekeyed > 0 ? figure('Re-keyed', count(merge.rekeyed)) : ''}</dl>`;
  const found = renderAhead(run.proof?.ahead ?? null, run.dataset);
  return `${merged}${found}${renderRelated(merge?.related ?? [])}${rejects.length === 0 ? '' : renderRejects(run.id, rejects)}`;
}

/** What a sweep over keys has found, and could not bring. */
function renderAhead(ahead: Ahead | null, dataset: string): string {
  if (ahead === null || ahead.added + ahead.changed === 0) return '';
  return html`<p>The source has more than the copy: content was not asked for, and comes with a sweep, or with <code>sheaf verify ${dataset} --repair</code>. A step brings only what has a newer timestamp.</p><dl class="figures small">!${figure('New at the source', count(ahead.added))}!${figure('Other timestamp', count(ahead.changed))}</dl>`;
}

function renderAsked({ run }: RunView): string {
  const { request, pageSize, strategy, sourceUrl } = run;
  const rows: readonly (readonly [string, string])[] = [
    ['Source', sourceUrl],
    ['Strategy', `${strategy}, ${plural(pageSize, 'record')} a page`],
    ['Span', `after ${count(run.span.after)} up to ${count(run.span.upto)}`],
    ['Kind', kindText(run)],
    ['Filter', request.filter ?? 'none'],
    ['Fields', request.select?.join(', ') ?? 'all'],
    ['Relations', relationsText(run)],
    ['Records at most', request.maxRecords === null ? 'all' : count(request.maxRecords)],
    ['Files', request.formats.length === 0 ? 'none' : `${request.formats.join(', ')} below ${request.out}`],
    ['When a slice fails', request.onFailure === 'stop' ? 'the run ends' : 'the rest is published'],
    ['When fields drift', request.onDrift === 'fail' ? 'the run ends' : 'it is reported'],
  ];
  return html`<dl class="facts">!${rows.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>`;
}

function relationsText({ request: { expand, relations } }: RunView['run']): string {
  if (!expand?.length) return 'none';
  return `${expand.join(', ')}; in files ${relations === 'nested' ? 'inside their parents' : 'by themselves'}`;
}

function kindText({ request, timeWindow, ranges }: RunView['run']): string {
  if (ranges !== null) return `a repair, over ${plural(ranges.length, 'range')} of keys in which the copy differed`;
  if (timeWindow !== null) return `a step, over what has changed since ${timeWindow.from} by the source's clock`;
  return request.keysOnly ? 'a sweep over keys, without content' : 'a sweep, over all that was asked for';
}
