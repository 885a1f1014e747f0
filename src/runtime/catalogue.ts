import type { Settings } from '../config/options.ts';
import { parseDataset } from '../domain/dataset.ts';
import { redact } from '../domain/redact.ts';
import { createTelemetry } from '../telemetry/events.ts';
import { createSources, type Sources } from './sources.ts';

/** The sources there are; asks none of them. */
export async function describeSources(settings: Settings) {
  return withSources(settings, async (sources) =>
    sources.registry.names.map((name) => {
      const { title, baseUrl } = sources.registry.findSource(name);
      return { name, title, baseUrl: redact(baseUrl), requestsPerSecond: sources.rateOf(name) ?? 'no limit' };
    }),
  );
}

/** The datasets of a source, from its metadata. */
export async function describeEntities(settings: Settings, name: string) {
  return withSources(settings, async ({ reach }) => {
    const { source, fetch } = reach(name);
    const entities = await source.entities(fetch);
    return entities.map((entity) => ({
      dataset: `${name}/${entity.name}`,
      key: entity.keyField,
      timestamp: entity.timestampField,
      fields: entity.fields.map((field) => field.name),
      relations: entity.relations,
    }));
  });
}

/** The fields of one dataset. Throws a UsageError that names the nearest for an unknown one. */
export async function describeEntity(settings: Settings, dataset: string) {
  return withSources(settings, async ({ reach }) => {
    const named = parseDataset(dataset);
    const { source, fetch } = reach(named.source);
    const entity = await source.check(fetch, named.entity, { filter: null, select: null, maxRecords: null });
    const role = (name: string) =>
      name === entity.keyField ? 'key' : name === entity.timestampField ? 'timestamp' : null;
    return entity.fields.map((field) => ({ ...field, role: role(field.name) }));
  });
}

async function withSources<T>(settings: Settings, work: (sources: Sources) => Promise<T>): Promise<T> {
  const sources = createSources({ settings, telemetry: createTelemetry(), database: null, rate: null, connections: 2 });
  try {
    return await work(sources);
  } finally {
    await sources.close();
  }
}
