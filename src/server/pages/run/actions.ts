import { html } from 'ghtml';
import type { RunRow } from '../../../db/schema.ts';
import { isOnlyWithheld } from '../../../domain/proof.ts';
import { hasEnded, type RunState } from '../../../domain/run.ts';

/** What a person can do to a run from its page. */
export const runActions = ['pause', 'resume', 'retry', 'cancel'] as const;
export type RunAction = (typeof runActions)[number];

/** What is said once it is done. */
export const DONE_TEXTS: Readonly<Record<RunAction | 'started', string>> = {
  started: 'The harvest is planned and handed to the workers.',
  pause: 'The run is paused: workers hand its slices back after the page that they are at.',
  resume: 'The run goes on.',
  retry: 'What failed is tried again; what is there is kept.',
  cancel: 'The run is cancelled. Nothing of it was published.',
};

/** Whether that is still so: a page can be loaded again, or come after the run has gone on. */
export function isStillSo(action: RunAction | 'started', state: RunState): boolean {
  if (action === 'pause') return state === 'paused';
  if (action === 'cancel') return state === 'cancelled';
  return state !== 'paused' && !hasEnded(state);
}

type Steered = Pick<RunRow, 'id' | 'state' | 'sealedAt' | 'proof'>;

/** Whether it makes sense as the run stands. The action itself checks again. */
export function canBe(action: RunAction, { state, sealedAt, proof }: Omit<Steered, 'id'>): boolean {
  if (action === 'retry' && proof !== null && isOnlyWithheld(proof)) return false; // it would be withheld again
  if (action === 'pause') return state === 'fetching';
  if (action === 'resume') return state === 'paused';
  if (action === 'retry') return (state === 'failed' || state === 'partial') && sealedAt !== null;
  return !hasEnded(state);
}

/** The buttons of a run's page. Cancelling is asked about, with or without JavaScript. */
export function renderActions(run: Steered, failedSlices: boolean): string {
  const retry = failedSlices ? 'Retry failed slices' : 'Retry';
  return html`<div class="actions" role="group" aria-label="Steer this run">!${button(run, 'pause', 'Pause')}!${button(run, 'resume', 'Resume')}!${button(run, 'retry', retry)}!${cancelButton(run)}</div>`;
}

function button(run: Steered, action: RunAction, text: string): string {
  const disabled = canBe(action, run) ? '' : ' disabled';
  return html`<form method="post" action="/runs/${run.id}/${action}"><button type="submit" class="quiet" id="do-${action}"!${disabled}>${text}</button></form>`;
}

function cancelButton(run: Steered): string {
  if (!canBe('cancel', run)) return html`<button type="button" class="quiet" disabled>Cancel</button>`;
  return html`<details class="confirm" id="confirm-cancel"><summary class="button quiet">Cancel …</summary>
<form method="post" action="/runs/${run.id}/cancel"><p>What it has fetched is thrown away, and nothing of it is published. This cannot be taken back.</p><button type="submit" class="danger" id="do-cancel">Cancel this run</button></form></details>`;
}
