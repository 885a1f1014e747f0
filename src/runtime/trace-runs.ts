import type { Settings } from '../config/options.ts';
import type { Database } from '../db/database.ts';
import { getRun } from '../db/queries/runs.ts';
import { toStoredError } from '../domain/errors.ts';
import { hasEnded } from '../domain/run.ts';
import type { SheafEvents, Telemetry } from '../telemetry/events.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { reportRun } from './report.ts';
import { VERSION } from './version.ts';

/** Undefined when no endpoint is set: OpenTelemetry is then not even loaded. */
export async function openTracing(
  settings: Settings,
  onTrouble: (message: string) => void,
): Promise<Tracing | undefined> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  const { startTracing } = await import('../telemetry/tracing.ts');
  const headers = settings.OTEL_EXPORTER_OTLP_HEADERS;
  return startTracing({ endpoint, headers, serviceName: settings.OTEL_SERVICE_NAME, version: VERSION, onTrouble });
}

interface TraceContext {
  readonly tracing: Tracing;
  readonly telemetry: Telemetry;
  readonly database: Database;
}

/** Writes down as spans what is told by events: requests and, by whoever ends a run, the run. Returns how to stop. */
export function traceEvents({ tracing, telemetry, database }: TraceContext): () => Promise<void> {
  const writing = new Set<Promise<void>>();
  const onRequest = ({ source, status, durationMs, bytes }: SheafEvents['request.finished']) => {
    const attributes = { 'sheaf.source': source, 'http.response.status_code': status, 'sheaf.bytes': bytes };
    tracing.record('request', attributes, new Date(Date.now() - durationMs));
  };
  const onRunState = ({ run, state }: SheafEvents['run.state']) => {
    if (!hasEnded(state)) return;
    const written = recordRun({ tracing, database }, run)
      .catch((error: unknown) =>
        telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) }),
      )
      .finally(() => writing.delete(written));
    writing.add(written);
  };
  telemetry.on('request.finished', onRequest);
  telemetry.on('run.state', onRunState);
  return async () => {
    telemetry.off('request.finished', onRequest);
    telemetry.off('run.state', onRunState);
    await Promise.all(writing);
  };
}

async function recordRun({ tracing, database }: Omit<TraceContext, 'telemetry'>, id: string): Promise<void> {
  const run = await getRun(database, id);
  const { records, pages, requests, retries, rejected } = await reportRun(database, id);
  tracing.recordRun({
    run: id,
    generation: run.generation,
    startedAt: run.createdAt,
    endedAt: run.finishedAt ?? new Date(),
    attributes: {
      'sheaf.run': id,
      'sheaf.dataset': run.dataset,
      'sheaf.source': run.request.dataset.source,
      'sheaf.state': run.state,
      'sheaf.generation': run.generation,
      'sheaf.records': records,
      'sheaf.pages': pages,
      'sheaf.requests': requests,
      'sheaf.retries': retries,
      'sheaf.rejects': rejected,
    },
    error: run.state === 'failed' ? (run.reason ?? 'failed') : null,
  });
}
