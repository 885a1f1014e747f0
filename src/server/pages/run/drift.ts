import { html } from 'ghtml';
import { type Drift, describeDrift } from '../../../domain/drift.ts';

const SHOWN = 50;

/** In what fields differ from before, or from what the source says of them. Nothing where they do not. */
export function renderDrift(drift: readonly Drift[]): string {
  if (drift.length === 0) return '';
  const lines = drift.slice(0, SHOWN).map((each) => html`<li><code>${each.kind}</code> ${describeDrift(each)}</li>`);
  const more = drift.length > SHOWN ? html`<p>And ${drift.length - SHOWN} more.</p>` : '';
  return html`<section aria-labelledby="drift"><h2 id="drift">What has drifted</h2><p class="lead">No data are lost: every field is kept as it came.</p><ul>!${lines}</ul>!${more}</section>`;
}
