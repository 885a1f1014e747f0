import { BullMQOtel } from 'bullmq-otel';

/** How the spans of BullMQ join those of a run. */
export interface QueueTracing {
  readonly telemetry: BullMQOtel;
  /** What a job of this run carries. */
  readonly carrierOf: (run: string) => string;
}

/** BullMQ's own spans, by OpenTelemetry's globals. Only loaded where spans are sent. */
export function createQueueTracing(carrierOf: QueueTracing['carrierOf']): QueueTracing {
  return { telemetry: new BullMQOtel({ tracerName: 'bullmq' }), carrierOf };
}
