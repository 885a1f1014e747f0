import type { Database } from '../../../db/database.ts';
import { listMovingRuns } from '../../../db/queries/run-lines.ts';
import type { Picture } from '../live/watch.ts';
import type { Pace } from '../progress.ts';
import { renderCells } from './view.ts';

/** What is to be seen of the runs that move: a row each, whichever of them a viewer has on its page. */
export async function lookAtRuns(database: Database, pace: Pace): Promise<Picture> {
  const now = new Date();
  const lines = await listMovingRuns(database);
  const rows = lines.map((line) => [`run-${line.id}`, renderCells(line, pace.measure(line, now.getTime()), now)]);
  return { parts: Object.fromEntries(rows), states: null, isOver: false };
}
