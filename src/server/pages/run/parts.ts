import { html } from 'ghtml';
import type { RejectCount } from '../../../db/queries/rejects.ts';
import type { ErrorGroup } from '../../../db/queries/slice-map.ts';
import { bytes, count, plural } from '../../../domain/numbers.ts';
import type { RelatedCounts } from '../../../domain/proof.ts';
import { hasEnded } from '../../../domain/run.ts';
import { datasetLink, momentAgo } from '../elements.ts';
import { adviceFor } from './advice.ts';
import type { RunView } from './gather.ts';

/** What slices have met with, by kind, with what to do. Nothing where all is well. */
export function renderErrors(errors: readonly ErrorGroup[]): string {
  if (errors.length === 0) return '';
  return html`<section aria-labelledby="errors"><h2 id="errors">Errors</h2><ul class="errors">!${errors.map(renderError)}</ul></section>`;
}

function renderError({ code, message, slices, failed, numbers }: ErrorGroup): string {
  const shown = numbers.map((number) => count(number)).join(', ');
  const which = `${slices === 1 ? 'slice' : 'slices'} ${shown}${slices > numbers.length ? ' …' : ''}`;
  const fate = failed === 0 ? 'all tried again since' : `${count(failed)} failed for good`;
  return html`<li class="${failed === 0 ? 'overcome' : 'fatal'}"><p><code>${code}</code> on ${plural(slices, 'slice')}, ${fate} <small>(${which})</small></p><p class="example">${message}</p><p>${adviceFor(code)}</p></li>`;
}

/** What came of records of other datasets that came nested. Nothing where none did. */
export function renderRelated(related: readonly RelatedCounts[]): string {
  if (related.length === 0) return '';
  const rows = related.map(
    (each) =>
      html`<tr><th scope="row">!${datasetLink(each.dataset)}</th><td class="number">${count(each.records)}</td><td class="number">${count(each.inserted)}</td><td class="number">${count(each.updated)}</td><td class="number">${count(each.unchanged)}</td></tr>`,
  );
  return html`<h3>Related records</h3><div class="scroll"><table><caption class="hidden">Records that came nested, by dataset</caption><thead><tr><th scope="col">Dataset</th><th scope="col" class="number">Records</th><th scope="col" class="number">Inserted</th><th scope="col" class="number">Updated</th><th scope="col" class="number">Unchanged</th></tr></thead><tbody>!${rows}</tbody></table></div>`;
}

/** Records that could not be taken, by reason. */
export function renderRejects(run: string, rejects: readonly RejectCount[]): string {
  const rows = rejects.map(
    ({ reason, outcome, count: many }) =>
      html`<tr><th scope="row"><code>${reason}</code></th><td class="number">${count(many)}</td><td>${outcome ?? 'kept'}</td></tr>`,
  );
  return html`<h3>Rejects</h3><div class="scroll"><table><caption class="hidden">Rejects by reason</caption><thead><tr><th scope="col">Reason</th><th scope="col" class="number">Records</th><th scope="col">Outcome</th></tr></thead><tbody>!${rows}</tbody></table></div><p>See each with <code>sheaf rejects list ${run}</code>.</p>`;
}

/** The files that the run has published. */
export function renderExports({ exports, run }: RunView): string {
  if (run.request.formats.length === 0) return html`<p class="lead">None were asked for.</p>`;
  if (exports.length === 0)
    return html`<p class="lead">None ${hasEnded(run.state) ? 'were published' : 'yet: they come when the run is complete'}.</p>`;
  const rows = exports.map(
    ({ format, dataset, records, bytes: size, sha256, path }) =>
      html`<li><a class="button quiet" download href="/api/runs/${run.id}/exports/${format}?dataset=${encodeURIComponent(dataset)}">${format}</a> ${dataset === run.dataset ? '' : `${dataset}: `}${plural(records, 'record')}, ${bytes(size)}<small>SHA-256 <code class="sum">${sha256}</code></small><small class="path">${path}</small></li>`,
  );
  return html`<ul class="files">!${rows}</ul>`;
}

/** Who did what to the run. */
export function renderDeeds({ deeds, now }: RunView): string {
  if (deeds.length === 0) return html`<p class="lead">Nobody has done anything to it that was noted.</p>`;
  const rows = deeds.map(
    ({ at, actor, via, action, outcome }) =>
      html`<li><b>${actor}</b> ${action}!${outcome === 'done' ? '' : html` <em>${outcome}</em>`}, !${momentAgo(at, now)} <small>(${via})</small></li>`,
  );
  return html`<ul class="deeds">!${rows}</ul>`;
}
