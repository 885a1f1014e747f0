import type { Database } from '../../../db/database.ts';
import { hasEnded } from '../../../domain/run.ts';
import type { Picture } from '../live/watch.ts';
import type { Pace } from '../progress.ts';
import { gatherDetails, gatherFigures, type RunDetails } from './gather.ts';
import { renderParts } from './view.ts';

/** Every so many looks, everything is looked at; in between, what changes from second to second. */
const LOOKS_BETWEEN_DETAILS = 3;

/** Looks at a run again and again: at its figures each time, at the rest now and then and whenever its state changes. */
export function createRunLook(database: Database, run: string, pace: Pace): () => Promise<Picture> {
  let looks = 0;
  let seen: { readonly state: string; readonly details: RunDetails } | undefined;
  return async () => {
    const figures = await gatherFigures(database, run, pace);
    const { state } = figures.run;
    if (seen?.state !== state || looks % LOOKS_BETWEEN_DETAILS === 0)
      seen = { state, details: await gatherDetails(database, figures) };
    looks++;
    const parts = renderParts({ ...figures, ...seen.details, now: new Date() });
    return { parts, states: figures.map.states, isOver: hasEnded(state) };
  };
}
