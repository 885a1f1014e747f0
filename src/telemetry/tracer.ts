export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A piece of work as a trace shows it. */
export interface Span {
  /** Spans that start inside are this one's children. */
  inside<T>(work: () => T): T;
  set(attributes: Attributes): void;
  fail(error: unknown): void;
  /** Safe twice. */
  end(): void;
}

/** Where spans go (see tracing.ts). */
export interface Tracer {
  startSpan(name: string, attributes: Attributes): Span;
  /** Spans that start inside belong to the trace of this run, whichever process they start in. */
  withinRun<T>(run: string, work: () => T): T;
}

const NO_SPAN: Span = {
  inside: (work) => work(),
  set: () => undefined,
  fail: () => undefined,
  end: () => undefined,
};

/** Traces nothing, at no cost. */
export const NO_TRACER: Tracer = { startSpan: () => NO_SPAN, withinRun: (_run, work) => work() };
