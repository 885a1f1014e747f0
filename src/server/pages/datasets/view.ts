import { html } from 'ghtml';
import type { DatasetLine } from '../../../db/queries/dataset-lines.ts';
import { bytes, count, plural } from '../../../domain/numbers.ts';
import { datasetLink, momentAgo } from '../elements.ts';

/** The list of datasets. */
export function renderDatasets(lines: readonly DatasetLine[], now: Date): string {
  if (lines.length === 0)
    return html`<p class="empty">There is no dataset yet: the first harvest makes one. <a href="/">Start it</a></p>`;
  return html`<div class="scroll"><table class="cards">
<caption class="hidden">Datasets and how they stand</caption>
<thead><tr><th scope="col">Dataset</th><th scope="col" class="number">Records</th><th scope="col">Last sweep</th><th scope="col">Last step</th><th scope="col" class="number">Runs</th><th scope="col" class="number">Size</th></tr></thead>
<tbody>!${lines.map((line) => renderLine(line, now))}</tbody></table></div>
<p class="note">A sweep is a complete run over the whole dataset; a step is one over what has changed since the run before.</p>`;
}

function renderLine(line: DatasetLine, now: Date): string {
  return html`<tr><th scope="row">!${datasetLink(line.name)}</th>
<td data-label="Records" class="number">${recordsOf(line)}</td>
<td data-label="Last sweep">!${sweepOf(line, now)}</td>
<td data-label="Last step">!${stepOf(line, now)}</td>
<td data-label="Runs" class="number"><a href="/?dataset=${encodeURIComponent(line.name)}">${count(line.runs)}</a></td>
<td data-label="Size" class="number">${bytes(line.bytes)}<small>${plural(line.partitions, 'partition')}</small></td></tr>`;
}

/** How many records there are; of large datasets, about. */
export function recordsOf({ records, isEstimate }: DatasetLine): string {
  if (records === null) return 'not counted yet';
  return `${isEstimate ? 'about ' : ''}${count(records)}`;
}

/** When the whole dataset was last proved complete. */
export function sweepOf({ sweptAt, sweptBy }: DatasetLine, now: Date): string {
  if (sweptAt === null || sweptBy === null) return 'none yet';
  return html`<a href="/runs/${sweptBy}">!${momentAgo(sweptAt, now)}</a>`;
}

/** When what had changed in the dataset was last proved complete. */
export function stepOf({ steppedAt, steppedBy }: DatasetLine, now: Date): string {
  if (steppedAt === null || steppedBy === null) return 'none yet';
  return html`<a href="/runs/${steppedBy}">!${momentAgo(steppedAt, now)}</a>`;
}
