import { takeFields } from '../db/queries/datasets.ts';
import { noteDrift } from '../db/queries/drift.ts';
import { endRun, type NewRun } from '../db/queries/runs.ts';
import { ensureViews } from '../db/queries/typed-views.ts';
import { datasetName } from '../domain/dataset.ts';
import { type Drift, describeDrift } from '../domain/drift.ts';
import { PermanentError, toStoredError } from '../domain/errors.ts';
import type { Entity } from '../domain/record.ts';
import { type Expansion, relatedEntities } from '../domain/relations.ts';
import type { ProducerContext } from './plan-run.ts';

/** Brings fields and typed views in step with the source's metadata. False, and the run is ended, when that is not wanted. */
export async function agreeOnFields(
  context: Pick<ProducerContext, 'database' | 'telemetry' | 'reach'>,
  run: Pick<NewRun, 'id' | 'dataset' | 'request'>,
  { entity, expand }: { readonly entity: Entity; readonly expand: readonly Expansion[] },
): Promise<boolean> {
  const { database, telemetry, reach } = context;
  const { source, fetch } = reach(run.request.dataset.source);
  const tell = (drift: Drift) => telemetry.emit('run.drifted', { run: run.id, dataset: run.dataset, ...drift });
  const accepts = run.request.onDrift !== 'fail'; // runs that were asked for by older versions do not say
  const drift = [...(await takeFields(database, { run: run.id, dataset: run.dataset, entity, accepts }))];
  for (const related of relatedEntities(expand)) {
    if (related.name === entity.name) continue;
    const dataset = datasetName({ source: source.name, entity: related.name });
    const prefix = `${related.name}.`;
    drift.push(...(await takeFields(database, { run: run.id, dataset, entity: related, accepts, prefix })));
  }
  for (const each of drift) tell(each);
  if (drift.length > 0 && !accepts) {
    const error = toStoredError(metadataDrift(run.dataset, drift));
    await endRun(database, run.id, { state: 'failed', reason: error.message, error });
    telemetry.emit('run.state', { run: run.id, state: 'failed', reason: error.message });
    return false;
  }
  const kept = await ensureViews(database, { source: source.name, entities: await source.entities(fetch) });
  const harvested = new Set([entity, ...relatedEntities(expand)].map(({ name }) => name));
  const left = kept.filter((name) => harvested.has(name)).map((name) => viewKept(`${source.name}."${name}"`));
  for (const each of await noteDrift(database.pool, run.id, left)) tell(each);
  return true;
}

function viewKept(view: string): Drift {
  return { kind: 'view-kept', field: view, was: null, is: null, key: null };
}

const TOLD_IN_A_MESSAGE = 5;

function metadataDrift(dataset: string, drift: readonly Drift[]): PermanentError {
  const told = drift.slice(0, TOLD_IN_A_MESSAGE).map(describeDrift);
  const more = drift.length > told.length ? `; and ${drift.length - told.length} more` : '';
  return new PermanentError(
    `The metadata of ${dataset} are not what they were: ${told.join('; ')}${more}. Nothing was fetched, as asked with ` +
      '--on-drift fail. Look at what has drifted, and harvest again with --on-drift accept to go by the new metadata.',
    {
      code: 'metadata-drift',
      facts: {
        dataset,
        fields: drift
          .slice(0, 10)
          .map(({ field }) => field)
          .join(','),
      },
    },
  );
}
