import type { Database } from '../../src/db/database.ts';
import { createFleetMetrics } from '../../src/server/metrics.ts';
import type { ServerContext } from '../../src/server/server-context.ts';
import { createTelemetry } from '../../src/telemetry/events.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

export interface DeclaredMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** Every metric that a server has, as the registry knows it; no store is asked. */
export async function declaredMetrics(): Promise<DeclaredMetric[]> {
  const telemetry = createTelemetry();
  const metrics = createMetrics(telemetry, { version: '0.0.0', engine: 'postgres' });
  const context = { database: undefined as unknown as Database, metrics, queueDepths: async () => [] };
  createFleetMetrics(context as unknown as ServerContext, { hasFleet: true });
  metrics.stop();
  return (await metrics.registry.getMetricsAsJSON()).map(({ name, help, type }) => {
    const { labelNames } = metrics.registry.getSingleMetric(name) as unknown as { labelNames: readonly string[] };
    return { name, help, type: String(type), labels: labelNames };
  });
}
