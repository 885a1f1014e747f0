import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Context,
  context,
  DiagLogLevel,
  diag,
  type Span as OtelSpan,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
} from '@opentelemetry/sdk-trace-node';
import type { Attributes, Span, Tracer } from './tracer.ts';

export interface TracingOptions {
  /** The base URL of an OTLP/HTTP receiver; `v1/traces` below it is posted to. */
  readonly endpoint: string;
  /** `name=value`, separated by commas, values percent-encoded; as OpenTelemetry's own settings have it. */
  readonly headers: string | undefined;
  readonly serviceName: string;
  readonly version: string;
  /** Told when spans could not be sent; they are lost, and nothing else is. */
  onTrouble(message: string): void;
}

/** The one file that knows OpenTelemetry. It is only loaded where an endpoint is set. */
export interface Tracing {
  readonly tracer: Tracer;
  /** What a job of this run carries, in the form that BullMQ's telemetry reads: every job of a run is the run's child. */
  carrierOf(run: string): string;
  /** Writes down what has been, as a part of what is under way here. */
  record(name: string, attributes: Attributes, startedAt: Date): void;
  /** Writes down a whole generation of a run: of the first the root of the run's trace. */
  recordRun(run: EndedRun): void;
  /** Sends what is left, for some seconds at most. */
  close(): Promise<void>;
}

export interface EndedRun {
  readonly run: string;
  readonly generation: number;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly attributes: Attributes;
  /** Why it failed; null when it did not. */
  readonly error: string | null;
}

const EXPORT_TIMEOUT_MS = 5_000;
const CLOSE_MS = 3_000;

/** Starts sending spans. One at a time in a process: BullMQ's part finds it by OpenTelemetry's globals. */
export function startTracing(options: TracingOptions): Tracing {
  const roots = createRoots();
  const url = new URL('v1/traces', options.endpoint.endsWith('/') ? options.endpoint : `${options.endpoint}/`).href;
  const exporter = new OTLPTraceExporter({
    url,
    headers: readHeaders(options.headers),
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const processor = new BatchSpanProcessor(exporter, {
    scheduledDelayMillis: 1_000,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    maxQueueSize: 8_192, // beyond it spans are dropped: memory is not to grow while the receiver is away
  });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName, 'service.version': options.version }),
    sampler: roots.sampler,
    idGenerator: roots,
    spanProcessors: [processor],
  });
  provider.register();
  const silent = () => undefined;
  diag.setLogger(
    { error: (message) => options.onTrouble(message), warn: silent, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
  const spans = provider.getTracer('sheaf', options.version);
  return {
    tracer: {
      startSpan: (name, attributes) => wrap(spans.startSpan(name, { attributes })),
      withinRun: (run, work) =>
        trace.getSpanContext(context.active())?.traceId === idsOf(run).traceId
          ? work()
          : context.with(contextOf(run), work),
    },
    carrierOf: (run) => {
      const { traceId, spanId } = idsOf(run);
      return JSON.stringify({ traceparent: `00-${traceId}-${spanId}-01` });
    },
    record: (name, attributes, startTime) => spans.startSpan(name, { attributes, startTime }).end(),
    recordRun: ({ run, generation, startedAt, endedAt, attributes, error }) => {
      const start = (within: Context) => spans.startSpan('run', { attributes, startTime: startedAt }, within);
      const span = generation === 1 ? roots.begin(idsOf(run), () => start(ROOT_CONTEXT)) : start(contextOf(run));
      if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(endedAt);
    },
    close: async () => {
      await Promise.race([provider.shutdown().catch(silent), sleep(CLOSE_MS, undefined, { ref: false })]);
      for (const api of [trace, context, propagation, diag]) api.disable();
    },
  };
}

interface RootIds {
  readonly traceId: string;
  readonly spanId: string;
}

/**
 * A run's trace, and the span at its root, are named after the run: whoever works on it, and whoever adds its jobs anew,
 * finds the trace without being told. The root itself is written last, when the run has ended.
 */
function idsOf(run: string): RootIds {
  const hash = createHash('sha256').update(`sheaf run ${run}`).digest('hex');
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}

function contextOf(run: string): Context {
  return trace.setSpanContext(ROOT_CONTEXT, { ...idsOf(run), traceFlags: TraceFlags.SAMPLED, isRemote: true });
}

/** Gives roots their names, and samples what belongs to a run: BullMQ's own looks at its queues would be endless traces. */
function createRoots() {
  const random = new RandomIdGenerator();
  let beginning: RootIds | undefined;
  const sampler: Sampler = {
    shouldSample: (within) => {
      const isWanted = beginning !== undefined || trace.getSpanContext(within)?.traceFlags === TraceFlags.SAMPLED;
      return { decision: isWanted ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
    },
    toString: () => 'what belongs to a run',
  };
  return {
    sampler,
    generateTraceId: () => beginning?.traceId ?? random.generateTraceId(),
    generateSpanId: () => beginning?.spanId ?? random.generateSpanId(),
    begin: (ids: RootIds, start: () => OtelSpan): OtelSpan => {
      beginning = ids;
      try {
        return start();
      } finally {
        beginning = undefined;
      }
    },
  };
}

function wrap(span: OtelSpan): Span {
  let hasEnded = false;
  return {
    inside: (work) => context.with(trace.setSpan(context.active(), span), work),
    set: (attributes) => void span.setAttributes(attributes),
    fail: (error) => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    },
    end: () => {
      if (!hasEnded) span.end();
      hasEnded = true;
    },
  };
}

function readHeaders(text = ''): Record<string, string> {
  const pairs = text.split(',').map((pair) => /^\s*([^=\s]+)\s*=(.*)$/.exec(pair));
  return Object.fromEntries(
    pairs.flatMap((pair) => (pair === null ? [] : [[pair[1], decodeURIComponent(pair[2]?.trim() ?? '')]])),
  );
}
