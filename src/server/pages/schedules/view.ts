import { html } from 'ghtml';
import { formatInZone } from '../../../domain/cron.ts';
import { formatDuration } from '../../../domain/duration.ts';
import { exportFormats, kinds } from '../../../domain/harvest-request.ts';
import { catchUpPolicies, overlapPolicies, ranAt } from '../../../domain/schedule.ts';
import type { ScheduleReport } from '../../../producer/report-schedules.ts';
import { datasetLink, KIND_TEXTS, momentAgo, runLink, stateBadge } from '../elements.ts';
import { EMPTY_FORM, type FormErrors, type FormField, type ScheduleForm } from './schedule-form.ts';

/** What a person can do to a schedule from its page. */
export const scheduleActions = ['run', 'pause', 'resume', 'remove'] as const;

export interface SchedulesView {
  readonly reports: readonly ScheduleReport[];
  /** What was typed into the form, where it was refused. */
  readonly form: ScheduleForm | undefined;
  readonly errors: FormErrors;
  readonly canSteer: boolean;
  readonly now: Date;
}

/** The schedules, and for operators the form that makes one. */
export function renderSchedules({ reports, form, errors, canSteer, now }: SchedulesView): string {
  const list =
    reports.length === 0
      ? html`<p class="empty">There is no schedule yet. Make one ${canSteer ? 'above, or ' : ''}with <code>sheaf schedule add</code>.</p>`
      : html`!${reports.map((report) => renderSchedule(report, canSteer, now))}`;
  return html`!${canSteer ? renderForm(form, errors) : ''}!${list}`;
}

function renderSchedule(report: ScheduleReport, canSteer: boolean, now: Date): string {
  const { name, cron, timeZone, datasets, overlap, catchUp, catchUpWindowMs, jitterMs } = report;
  const rows: readonly (readonly [string, string])[] = [
    ['Next', renderNext(report)],
    [
      'When',
      html`<code>${cron}</code> in ${timeZone}${jitterMs > 0 ? `, up to ${formatDuration(jitterMs)} later` : ''}`,
    ],
    ['Datasets', html`!${datasets.map((dataset) => `${datasetLink(dataset)} `)}`],
    ['Asks for', html`${report.asksFor}`],
    ['While one is under way', OVERLAP_TEXTS[overlap]],
    [
      'After an absence',
      `${CATCH_UP_TEXTS[catchUp]}${catchUp === 'none' ? '' : `, within ${formatDuration(catchUpWindowMs)}`}`,
    ],
    ['Last', renderLast(report, now)],
  ];
  return html`<section class="card" aria-labelledby="schedule-${name}">
<h2 id="schedule-${name}">${name}</h2>
<dl class="facts">!${rows.map(([term, value]) => html`<div><dt>${term}</dt><dd>!${value}</dd></div>`)}</dl>
!${renderEarlier(report, now)}
!${canSteer ? renderActions(report) : ''}
</section>`;
}

const OVERLAP_TEXTS = {
  skip: 'it is left out',
  queue: 'it waits',
  cancel: 'the old one is cancelled',
  allow: 'both run',
} as const;

const CATCH_UP_TEXTS = {
  none: 'nothing is made up for',
  latest: 'the latest is made up for',
  all: 'all are made up for',
} as const;

function renderNext({ state, error, nextTimes, timeZone }: ScheduleReport): string {
  if (error !== null) return html`<strong>${error}</strong>`;
  if (state === 'paused') return html`<strong>paused</strong>`;
  if (nextTimes.length === 0) return 'never again';
  return html`<ol class="times">!${nextTimes.map((time) => html`<li><time datetime="${time.toISOString()}">${formatInZone(time, timeZone)}</time></li>`)}</ol>`;
}

type Firing = ScheduleReport['firings'][number];

function renderLast({ firings, timeZone }: ScheduleReport, now: Date): string {
  const [last] = firings;
  return last === undefined ? 'not yet' : renderFiring(last, { timeZone, now });
}

function renderEarlier({ firings, timeZone }: ScheduleReport, now: Date): string {
  const earlier = firings.slice(1);
  if (earlier.length === 0) return '';
  return html`<details><summary>Earlier</summary><ul class="firings">!${earlier.map((firing) => html`<li>!${renderFiring(firing, { timeZone, now })}</li>`)}</ul></details>`;
}

function renderFiring(firing: Firing, { timeZone, now }: { readonly timeZone: string; readonly now: Date }): string {
  const { kind, dueAt, state, reason, runs } = firing;
  const kindText =
    kind === 'cron' ? '' : ` (${kind}${kind === 'manual' ? '' : ` of ${formatInZone(dueAt, timeZone)}`})`;
  const at = ranAt(firing);
  const ran = at > now ? html`<time datetime="${at.toISOString()}">soon</time>` : momentAgo(at, now);
  const told = state === 'started' ? '' : html` ${state}${reason === null ? '' : `: ${reason}`}`;
  const each = runs.map((run) => html` !${stateBadge(run.state)} !${runLink(run.run)} <small>${run.dataset}</small>`);
  return html`!${ran}${kindText}!${told}!${each}`;
}

function renderActions({ name, state }: ScheduleReport): string {
  const button = (action: string, text: string) =>
    html`<form method="post" action="/schedules/${name}/${action}"><button type="submit" class="quiet" aria-label="${text}: ${name}">${text}</button></form>`;
  return html`<div class="actions" role="group" aria-label="Steer ${name}">!${button('run', 'Run now')}!${state === 'paused' ? button('resume', 'Resume') : button('pause', 'Pause')}
<details class="confirm"><summary class="button quiet">Remove …</summary>
<form method="post" action="/schedules/${name}/remove"><p>The schedule and the list of its firings are removed. Runs that it has started stay.</p><button type="submit" class="danger">Remove ${name}</button></form></details></div>`;
}

function renderForm(typed: ScheduleForm | undefined, errors: FormErrors): string {
  const form = typed ?? EMPTY_FORM;
  const input = (name: FormField, label: string, attributes: string) => {
    const error = errors[name];
    const state = error === undefined ? '' : html` aria-invalid="true" aria-describedby="error-${name}"`;
    const told = error === undefined ? '' : html`<span class="error" id="error-${name}">${error}</span>`;
    return html`<div class="field"><label>${label} <input name="${name}" value="${form[name]}" autocomplete="off" spellcheck="false" !${attributes}!${state}></label>!${told}</div>`;
  };
  return html`<details class="start"!${typed === undefined ? '' : ' open'} id="add">
<summary>Make a schedule</summary>
<form method="post" action="/schedules">
!${input('name', 'Name', 'required placeholder="nightly-votes"')}
!${input('cron', 'When: minute, hour, day, month, weekday', 'required placeholder="30 2 * * *"')}
!${input('timeZone', 'Time zone', 'placeholder="Europe/Copenhagen"')}
!${input('datasets', 'Datasets', 'required placeholder="oda/Afstemning oda/Stemme"')}
<div class="field"><label>What !${select('mode', kinds, KIND_TEXTS, form.mode)}</label></div>
<div class="field"><label>While the last one is under way !${select('overlap', overlapPolicies, OVERLAP_TEXTS, form.overlap)}</label></div>
<div class="field"><label>When no worker was there !${select('catchUp', catchUpPolicies, CATCH_UP_TEXTS, form.catchUp)}</label></div>
!${input('catchUpWindow', 'Make up for at most', 'placeholder="1d"')}
!${input('jitter', 'Start up to so much later', 'placeholder="0s"')}
<fieldset><legend>Files</legend>!${exportFormats.map((format) => html`<label class="choice"><input type="checkbox" name="formats" value="${format}"!${form.formats.includes(format) ? ' checked' : ''}> ${format}</label>`)}</fieldset>
<button type="submit">Add</button>
</form></details>`;
}

function select<Value extends string>(
  name: string,
  values: readonly Value[],
  texts: Readonly<Record<Value, string>>,
  chosen: string,
): string {
  const options = values.map(
    (value) => html`<option value="${value}"!${value === chosen ? ' selected' : ''}>${texts[value]}</option>`,
  );
  return html`<select name="${name}">!${options}</select>`;
}
