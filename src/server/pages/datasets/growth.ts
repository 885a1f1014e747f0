import { html } from 'ghtml';
import type { Growth } from '../../../db/queries/dataset-lines.ts';
import { count, plural } from '../../../domain/numbers.ts';
import { renderPlot } from '../plot.ts';

const STRETCHES = 60;

/** How many records runs have left behind, over time. */
export function renderGrowth(growth: readonly Growth[]): string {
  const [first] = growth;
  const last = growth.at(-1);
  if (first === undefined || last === undefined) return html`<p class="lead">No run has changed this dataset yet.</p>`;
  const changes = sum(growth);
  const told = `${plural(growth.length, 'run')} inserted ${count(changes.inserted)}, updated ${count(changes.updated)} and deleted ${count(changes.deleted)} records`;
  if (growth.length < 2) return html`<p class="lead">${told}.</p>`;
  const values = totalsOverTime(growth, STRETCHES);
  const ends = [dateOf(first.at), dateOf(last.at)] as const;
  return `${renderPlot({ title: 'Records', told, values, format: count, ends, kind: 'amount' })}${html`<p class="note">${told}.</p>`}`;
}

/** The number of records at the end of each of so many equal stretches between the first run and the last. */
export function totalsOverTime(growth: readonly Growth[], stretches: number): number[] {
  const from = growth[0]?.at.getTime() ?? 0;
  const width = ((growth.at(-1)?.at.getTime() ?? from) - from) / stretches;
  const totals = new Array<number>(stretches).fill(0);
  for (const { at, inserted, deleted } of growth) {
    const index = width === 0 ? 0 : Math.min(stretches - 1, Math.floor((at.getTime() - from) / width));
    totals[index] = (totals[index] ?? 0) + inserted - deleted;
  }
  let total = 0;
  return totals.map((change) => {
    total += change;
    return Math.max(0, total);
  });
}

function sum(growth: readonly Growth[]) {
  const of = (name: 'inserted' | 'updated' | 'deleted') => growth.reduce((total, each) => total + each[name], 0);
  return { inserted: of('inserted'), updated: of('updated'), deleted: of('deleted') };
}

function dateOf(at: Date): string {
  return at.toISOString().slice(0, 16).replace('T', ' ');
}
