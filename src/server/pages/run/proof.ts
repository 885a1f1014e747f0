import { html } from 'ghtml';
import { count, plural } from '../../../domain/numbers.ts';
import type { Proof } from '../../../domain/proof.ts';
import { figure } from '../elements.ts';

/** What verification found, in words first and in figures below. */
export function renderProof(proof: Proof | null, hasEnded: boolean): string {
  if (proof === null) {
    const text = hasEnded
      ? 'The run ended before its completeness could be checked, so nothing was proved.'
      : 'Comes when all slices have settled: then the copy is held against the source before anything is published.';
    return html`<p class="lead">${text}</p>`;
  }
  return html`<p class="lead">!${renderVerdict(proof)}</p>!${renderRereads(proof)}<dl class="figures small">!${renderFigures(proof)}</dl>`;
}

function renderVerdict({ holds, reason, distinctKeys, rejects, countAfter, deletesWithheld }: Proof): string {
  if (!holds) return html`<b class="verdict bad">Not proved.</b> ${reason ?? 'No reason was noted.'}`;
  const come = `${plural(distinctKeys, 'record')}${rejects === 0 ? '' : ` and ${plural(rejects, 'reject')}`}`;
  const counted =
    countAfter === null ? 'The source does not count its records.' : `The source counts ${count(countAfter)}.`;
  const verdict =
    (deletesWithheld ?? null) === null
      ? html`<b class="verdict good">Proved complete.</b>`
      : html`<b class="verdict bad">Deletes withheld.</b> ${deletesWithheld}. The rest is proved:`;
  return html`!${verdict} The slices cover the whole span without a gap, every row that was taken is there, and no key came twice: ${come}. ${counted}`;
}

function renderRereads({ rereads, rereadSlices, isExtended }: Proof): string {
  if (rereads === 0 && !isExtended) return '';
  const again =
    rereads === 0 ? '' : `The source changed meanwhile: ${plural(rereadSlices, 'slice')} had to be fetched once more. `;
  return html`<p>${again}${isExtended ? 'What had come beyond the end of the run was fetched, too.' : ''}</p>`;
}

function renderFigures(proof: Proof): string[] {
  const orNone = (value: number | null) => (value === null ? 'not counted' : count(value));
  return [
    figure('Distinct keys', count(proof.distinctKeys)),
    figure('Rejects', count(proof.rejects)),
    figure('Source, planned', orNone(proof.countBefore)),
    figure('Source, at the end', orNone(proof.countAfter)),
    figure('Rows staged', count(proof.stagedRows), `ledger: ${count(proof.ledgerRows)}`),
    figure(
      'Slices',
      count(proof.slices),
      proof.failedSlices === 0 ? 'none failed' : `${count(proof.failedSlices)} failed`,
    ),
    figure('Span', proof.isCovered ? 'covered' : 'has a gap'),
  ];
}
