import { html } from 'ghtml';
import type { RunFilter, RunLine } from '../../../db/queries/run-lines.ts';
import { describeLimits, KIND_WORDS } from '../../../domain/describe-request.ts';
import { DEFAULT_MAX_DELETES, exportFormats, failurePolicies, kinds } from '../../../domain/harvest-request.ts';
import { count, duration, plural } from '../../../domain/numbers.ts';
import { hasEnded, runStates } from '../../../domain/run.ts';
import { datasetLink, KIND_TEXTS, livePart, momentAgo, runLink, stateBadge } from '../elements.ts';
import type { Progress } from '../progress.ts';

export interface ListedRun {
  readonly line: RunLine;
  readonly progress: Progress;
}

export interface RunsView {
  readonly lines: readonly ListedRun[];
  readonly filter: RunFilter;
  readonly page: number;
  readonly hasMore: boolean;
  readonly datasets: readonly string[];
  /** What was typed into the form, where it was refused; null for a viewer, who gets none. */
  readonly form: Readonly<Record<string, unknown>> | null;
  readonly now: Date;
}

/** The list of runs, the filter above it, and the form that starts one. */
export function renderRuns(view: RunsView): string {
  return html`
!${view.form === null ? '' : renderForm(view.form, view.datasets)}
<section aria-labelledby="list">
<h2 id="list" class="hidden">All runs</h2>
!${renderFilter(view)}
!${livePart('runs', renderList(view))}
</section>`;
}

function renderList({ lines, filter, page, hasMore, now }: RunsView): string {
  if (lines.length === 0) return renderNone(filter, page);
  return `${renderRunTable(lines, now)}${renderPaging({ filter, page, hasMore })}`;
}

/** Runs as a table; on a narrow screen, as cards. */
export function renderRunTable(lines: readonly ListedRun[], now: Date): string {
  return html`<div class="scroll"><table class="runs">
<caption class="hidden">Runs, the newest first</caption>
<thead><tr><th scope="col">Run</th><th scope="col">State</th><th scope="col">Progress</th><th scope="col" class="number">Records</th><th scope="col" class="number">Speed</th><th scope="col" class="number">Time</th><th scope="col" class="number">Retries</th><th scope="col" class="number">Rejects</th></tr></thead>
<tbody>!${lines.map(({ line, progress }) => livePart(`run-${line.id}`, renderCells(line, progress, now), 'tr'))}</tbody>
</table></div>`;
}

/** The cells of one run; sent anew while it moves. */
export function renderCells(line: RunLine, { share, recordsPerSecond, leftMs }: Progress, now: Date): string {
  const records = line.distinctKeys ?? line.records;
  return html`<th scope="row">!${runLink(line.id)}<small>!${datasetLink(line.dataset)}, ${whatOf(line)}!${momentAgo(line.createdAt, now)}</small></th>
<td data-label="State">!${stateBadge(line.state)}</td>
<td data-label="Progress">!${renderBar(line, share)}</td>
<td data-label="Records" class="number">${count(records)}!${line.expected === null ? '' : html`<small>of ${count(line.expected)}</small>`}</td>
<td data-label="Speed" class="number !${recordsPerSecond === null ? 'none' : ''}">${recordsPerSecond === null ? '–' : `${count(recordsPerSecond)}/s`}</td>
<td data-label="Time" class="number">!${renderTime(line, leftMs)}</td>
<td data-label="Retries" class="number">${count(line.retries)}</td>
<td data-label="Rejects" class="number">${count(line.rejects)}</td>`;
}

/** Nothing of a sweep over everything, which is what most runs are. */
function whatOf({ kind, request }: RunLine): string {
  const what = [kind === 'sweep' ? '' : KIND_WORDS[kind], describeLimits(request)].filter((part) => part !== '');
  return what.map((part) => `${part}, `).join('');
}

function renderTime({ finishedAt, createdAt }: RunLine, leftMs: number | null): string {
  if (finishedAt !== null) return html`${duration(finishedAt.getTime() - createdAt.getTime())}`;
  return leftMs === null ? '–' : html`${duration(leftMs)}<small>left</small>`;
}

/** How far it is; of a run that has ended, only what came of its slices. */
function renderBar({ id, state, settled, slices, failed }: RunLine, share: number | null): string {
  const told = `${count(settled)} of ${plural(slices, 'slice')}${failed === 0 ? '' : `, ${count(failed)} failed`}`;
  if (state === 'complete') return html`<small>${plural(slices, 'slice')}</small>`;
  if (share === null || hasEnded(state)) return html`<small>${slices === 0 ? 'no slices' : told}</small>`;
  const percent = Math.floor(share * 100);
  return html`<progress aria-label="Progress of ${id}" max="100" value="${percent}">${percent} %</progress><small>${percent} %, ${told}</small>`;
}

function renderNone({ dataset, state }: RunFilter, page: number): string {
  const isFiltered = dataset !== undefined || state !== undefined || page > 1;
  if (isFiltered) return html`<p class="empty">No run fits. <a href="/">Show all runs</a></p>`;
  return html`<p class="empty">There is no run yet. Start one above, or with <code>sheaf harvest oda/Afstemning</code>.</p>`;
}

function renderFilter({ filter, datasets }: RunsView): string {
  return html`<form class="filter" method="get" action="/" role="search" aria-label="Filter the runs">
<label>Dataset <select name="dataset"><option value="">all</option>!${datasets.map((name) => option(name, filter.dataset))}</select></label>
<label>State <select name="state"><option value="">all</option>!${runStates.map((state) => option(state, filter.state))}</select></label>
<button type="submit" class="quiet">Filter</button>
</form>`;
}

function renderPaging({ filter, page, hasMore }: Pick<RunsView, 'filter' | 'page' | 'hasMore'>): string {
  if (page === 1 && !hasMore) return '';
  const link = (to: number, rel: string, text: string) =>
    html`<a rel="${rel}" href="${addressOf(filter, to)}">${text}</a>`;
  return html`<nav class="paging" aria-label="More runs">!${page > 1 ? link(page - 1, 'prev', 'Newer runs') : ''}<span>Page ${page}</span>!${hasMore ? link(page + 1, 'next', 'Older runs') : ''}</nav>`;
}

/** The address of a page of the list. */
export function addressOf({ dataset, state }: RunFilter, page: number): string {
  const query = new URLSearchParams();
  if (dataset !== undefined) query.set('dataset', dataset);
  if (state !== undefined) query.set('state', state);
  if (page > 1) query.set('page', String(page));
  return query.size === 0 ? '/' : `/?${query}`;
}

function renderForm(form: Readonly<Record<string, unknown>>, datasets: readonly string[]): string {
  const typed = (name: string) => (typeof form[name] === 'string' ? form[name] : '');
  const isOpen = Object.keys(form).length > 0;
  const formats: readonly unknown[] = isOpen ? [form['format'] ?? []].flat() : ['ndjson', 'csv'];
  return html`<details class="start"!${isOpen ? ' open' : ''} id="start">
<summary>Start a harvest</summary>
<form method="post" action="/runs">
<label>Dataset <input name="dataset" list="datasets" required autocomplete="off" spellcheck="false" placeholder="oda/Afstemning" value="${typed('dataset')}"></label>
<datalist id="datasets">!${datasets.map((name) => html`<option value="${name}"></option>`)}</datalist>
<label>What <select name="mode">!${kinds.map((kind) => option(kind, typed('mode'), KIND_TEXTS[kind]))}</select></label>
<fieldset><legend>Files</legend>!${exportFormats.map((format) => html`<label class="choice"><input type="checkbox" name="format" value="${format}"!${formats.includes(format) ? ' checked' : ''}> ${format}</label>`)}</fieldset>
<label>When a slice fails <select name="onFailure">!${failurePolicies.map((policy) => option(policy, typed('onFailure'), POLICY_TEXTS[policy]))}</select></label>
<label>Records at most <input name="maxRecords" inputmode="numeric" autocomplete="off" placeholder="all" value="${typed('maxRecords')}"></label>
<label>May mark as deleted at most, in % <input name="maxDeletes" inputmode="decimal" autocomplete="off" placeholder="${DEFAULT_MAX_DELETES * 100}" value="${typed('maxDeletes')}"></label>
<button type="submit">Start</button>
</form></details>`;
}

const POLICY_TEXTS = { stop: 'end the run', partial: 'publish the rest' } as const;

function option(value: string, chosen: string | undefined, text: string = value): string {
  return html`<option value="${value}"!${value === chosen ? ' selected' : ''}>${text}</option>`;
}
