import { html } from 'ghtml';
import type { BrowsedRecord, DatasetLine, Growth, Partition, RecordSearch } from '../../../db/queries/dataset-lines.ts';
import type { DatasetRow } from '../../../db/schema.ts';
import { bytes, count, plural } from '../../../domain/numbers.ts';
import { figure, momentAgo } from '../elements.ts';
import { type ListedRun, renderRunTable } from '../runs/view.ts';
import { renderGrowth } from './growth.ts';
import { recordsOf, stepOf, sweepOf } from './view.ts';

export interface DatasetView {
  readonly line: DatasetLine;
  readonly dataset: DatasetRow;
  readonly partitions: readonly Partition[];
  readonly growth: readonly Growth[];
  readonly lines: readonly ListedRun[];
  readonly search: RecordSearch;
  /** Null when looking took too long. */
  readonly found: { readonly records: readonly BrowsedRecord[]; readonly hasMore: boolean } | null;
  readonly now: Date;
}

/** The page of a dataset. */
export function renderDataset(view: DatasetView): string {
  const { line, dataset, growth, lines, now } = view;
  return html`<dl class="figures">!${figure('Records', recordsOf(line))}!${figure('Last sweep', sweepOf(line, now))}!${figure('Last step', stepOf(line, now))}!${figure('Size', bytes(line.bytes), plural(line.partitions, 'partition'))}!${figure('Runs', count(line.runs))}</dl>
<section aria-labelledby="growth"><h2 id="growth">Growth</h2>!${renderGrowth(growth)}</section>
<section aria-labelledby="runs"><h2 id="runs">Newest runs</h2>!${renderRunTable(lines, now)}!${line.runs > lines.length ? html`<p><a href="/?dataset=${encodeURIComponent(line.name)}">All ${count(line.runs)} runs</a></p>` : ''}</section>
<section aria-labelledby="records"><h2 id="records">Records</h2>!${renderBrowser(view)}</section>
<div class="columns">
<section aria-labelledby="fields"><h2 id="fields">Fields</h2>!${renderFields(dataset)}</section>
<section aria-labelledby="partitions"><h2 id="partitions">Partitions</h2>!${renderPartitions(view.partitions)}<p>For SQL there is a view with typed columns: <code>select * from ${dataset.source}."${dataset.entity}"</code></p></section>
</div>`;
}

function renderFields({ fields, keyField }: DatasetRow): string {
  const rows = fields.map(
    ({ name, type, isNullable }) =>
      html`<tr><th scope="row"><code>${name}</code></th><td>${type}</td><td>${name === keyField ? 'key' : isNullable ? 'may be null' : ''}</td></tr>`,
  );
  return html`<div class="scroll"><table><caption class="hidden">Fields, from the source's metadata</caption><thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Note</th></tr></thead><tbody>!${rows}</tbody></table></div>`;
}

function renderPartitions(partitions: readonly Partition[]): string {
  const rows = partitions.map(
    ({ name, bytes: size }) =>
      html`<tr><th scope="row"><code>${name}</code></th><td class="number">${bytes(size)}</td></tr>`,
  );
  return html`<div class="scroll"><table><caption class="hidden">Tables that hold the records</caption><thead><tr><th scope="col">Table</th><th scope="col" class="number">Size</th></tr></thead><tbody>!${rows}</tbody></table></div>`;
}

function renderBrowser(view: DatasetView): string {
  const { search } = view;
  return html`<form class="filter" method="get" action="#records" role="search" aria-label="Look for records">
<label>Key <input name="key" autocomplete="off" spellcheck="false" value="${search.key}"></label>
<label>Text <input name="text" autocomplete="off" spellcheck="false" value="${search.text}"></label>
<button type="submit" class="quiet">Look</button></form>
!${renderFound(view)}`;
}

function renderFound({ line, search, found, now }: DatasetView): string {
  if (found === null)
    return html`<p class="empty">Looking through all records took too long. Give a key, or ask the typed view with SQL.</p>`;
  if (found.records.length === 0) return html`<p class="empty">No record fits.</p>`;
  const rows = found.records.map(
    ({ key, text, changedAt, deletedAt }) =>
      html`<tr><th scope="row"><code>${key}</code></th><td class="json"><details><summary>${text}</summary></details></td><td>!${deletedAt === null ? momentAgo(changedAt, now) : html`deleted !${momentAgo(deletedAt, now)}`}</td></tr>`,
  );
  const last = found.records.at(-1)?.key;
  const next = new URLSearchParams({ ...(search.text === null ? {} : { text: search.text }), after: last ?? '' });
  const more = found.hasMore
    ? html`<nav class="paging" aria-label="More records"><a rel="next" href="?${next}#records">Next records</a></nav>`
    : '';
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Records of ${line.name}"><table class="records"><caption class="hidden">Records in the order of their keys</caption><thead><tr><th scope="col">Key</th><th scope="col">Record</th><th scope="col">Changed</th></tr></thead><tbody>!${rows}</tbody></table></div>!${more}`;
}
