import { CopyRows } from '../db/copy-rows.ts';
import type { RelatedPage } from '../db/queries/related.ts';
import type { ClaimedSlice } from '../db/queries/slices.ts';
import { type StagedPages, stagePages, writeRows } from '../db/queries/staging.ts';
import { type Drift, MOST_DRIFT } from '../domain/drift.ts';
import type { Span as TraceSpan } from '../telemetry/tracer.ts';
import type { WholePage } from './follow-relations.ts';
import { StagedBefore } from './staged-before.ts';
import type { WorkContext } from './work-context.ts';

/** A page that has come. */
export interface ArrivedPage {
  readonly fetched: WholePage;
  /** Everything up to here is staged once this page is. */
  readonly cursor: number;
  /** Ends when the page is staged. */
  readonly span: TraceSpan;
}

/** What is left of a page once its records have been written as rows. */
interface WaitingPage extends Pick<StagedPages, 'rejects' | 'related' | 'drift' | 'requests' | 'bytes'> {
  readonly cursor: number;
  readonly span: TraceSpan;
  readonly durationMs: number;
  /** What came nested and had not been staged before, as it came. */
  readonly nested?: RelatedPage;
}

interface SliceToStage {
  readonly claim: ClaimedSlice;
  readonly dataset: string;
}

/** From so many bytes on pages wait no longer for others: a million at once were measured to take longer than half a million. */
const ENOUGH_BYTES = 400_000;
/** Nor for longer: until they are staged nobody sees them, and a crash has them asked for again. */
const LONGEST_WAIT_MS = 500;
/** Bytes of rows to begin with: room for all that waits, one page more, and what rows have besides their records. */
const ROWS_SIZE = 576 * 1024;

/**
 * Puts the pages of one slice into the ledger, in the order in which they come. Those that follow each other quickly go
 * together: a transaction costs the store as much as twenty rows do.
 */
export class SliceStager {
  readonly #context: WorkContext;
  readonly #slice: SliceToStage;
  readonly #stagedBefore = new StagedBefore();
  /** The drift that has been noted already, by kind and field. */
  readonly #noted = new Set<string>();
  /** Of the pages that wait. */
  readonly #rows = new CopyRows(ROWS_SIZE);
  #waiting: WaitingPage[] = [];

  constructor(context: WorkContext, slice: SliceToStage) {
    this.#context = context;
    this.#slice = slice;
  }

  /** Writes a page's rows: nothing of the page itself is held after that. Not to be called while pages are being staged. */
  async add({ fetched, cursor, span }: ArrivedPage): Promise<void> {
    const { value, requests, bytes, durationMs } = fetched;
    const { records, rejects, drift } = value;
    const nested = fetched.related && this.#stagedBefore.without(fetched.related);
    const page = { records, rejects, ...(nested && { related: nested }) };
    try {
      const written = await writeRows(this.#context.database, this.#slice.claim.slice, { page, rows: this.#rows });
      const rest = { drift, requests, bytes, durationMs, cursor, span };
      this.#waiting.push({ ...written, ...rest, ...(nested && { nested }) });
    } catch (error) {
      span.fail(error);
      span.end();
      throw error;
    }
  }

  /** Whether what has been added may wait for the next page, where one comes every `pageMs`. */
  mayWait(pageMs: number): boolean {
    const { deaths, failures } = this.#slice.claim;
    if (deaths + failures > 0) return false; // it is to be seen at which page, and all before that is to be kept
    const waiting = this.#waiting;
    if (waiting.some(({ related }) => related !== undefined)) return false; // large, with all that is nested in it
    return sum(waiting, 'bytes') < ENOUGH_BYTES && waiting.length * pageMs < LONGEST_WAIT_MS;
  }

  /** Stages what waits if the next page is late after all. Resolves when that is here, or what waits is staged. */
  async stageUnlessSoon(next: Promise<unknown>): Promise<'staged' | 'fenced'> {
    if (this.#waiting.length === 0) return 'staged';
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(late.resolve, LONGEST_WAIT_MS, true);
    const hasCome = next.then(
      () => false,
      () => false, // whoever awaits the page hears of it
    );
    const isLate = await Promise.race([hasCome, late.promise]);
    clearTimeout(timer);
    return isLate ? this.stage({ give: [], isLast: false }) : 'staged';
  }

  /** Stages all that has been added, in one transaction. */
  async stage({ give, isLast }: Pick<StagedPages, 'give' | 'isLast'>): Promise<'staged' | 'fenced'> {
    const pages = this.#waiting;
    this.#waiting = [];
    const last = pages.at(-1);
    if (last === undefined) return 'staged';
    try {
      return await last.span.inside(() => this.#stageAll(pages, { cursor: last.cursor, give, isLast }));
    } finally {
      this.#rows.clear();
      for (const { span } of pages) span.end();
    }
  }

  async #stageAll(
    pages: readonly WaitingPage[],
    position: Pick<StagedPages, 'cursor' | 'give' | 'isLast'>,
  ): Promise<'staged' | 'fenced'> {
    const { database, telemetry, queues } = this.#context;
    const { claim, dataset } = this.#slice;
    const brought = this.#gather(pages);
    const startedAt = performance.now();
    const records = brought.rows.count;
    const size = { 'sheaf.records': records, 'sheaf.rejects': brought.rejects.length };
    const result = await telemetry.span('store', size, () => stagePages(database, claim, { ...brought, ...position }));
    if (result.kind === 'fenced') return 'fenced';
    for (const { nested } of pages) if (nested !== undefined) this.#stagedBefore.remember(nested);
    const names = { run: claim.run, slice: claim.slice };
    for (const each of result.drift) telemetry.emit('run.drifted', { run: claim.run, dataset, ...each });
    const fetchMs = pages.map(({ durationMs }) => durationMs);
    telemetry.emit('pages.staged', {
      ...{ ...names, dataset, pages: pages.length, records, rejects: result.rejects },
      ...{ requests: brought.requests, bytes: brought.bytes, durationMs: performance.now() - startedAt },
      ...{ fetchMs: fetchMs.reduce((total, each) => total + each, 0), fetchMaxMs: Math.max(...fetchMs) },
    });
    const given = result.given.map((slice) => ({ run: claim.run, slice, attempt: 0, round: 0 }));
    for (const { slice } of given) telemetry.emit('slice.split', { ...names, into: slice });
    await queues.add('sheaf-slices', given);
    return 'staged';
  }

  /** What pages bring together. Nested records come with one page at a time. */
  #gather(pages: readonly WaitingPage[]): Omit<StagedPages, 'cursor' | 'give' | 'isLast'> {
    const related = pages.at(-1)?.related;
    return {
      pages: pages.length,
      rows: this.#rows,
      rejects: pages.flatMap(({ rejects }) => rejects),
      drift: this.#takeNew(pages.flatMap(({ drift }) => drift)),
      requests: sum(pages, 'requests'),
      bytes: sum(pages, 'bytes'),
      ...(related && { related }),
    };
  }

  /** Of what pages show, what has not been noted yet: a field that every page has is written once, and not with each. */
  #takeNew(found: readonly Drift[]): readonly Drift[] {
    const fresh: Drift[] = [];
    for (const each of found) {
      const name = `${each.kind} ${each.field}`;
      if (this.#noted.has(name) || this.#noted.size >= MOST_DRIFT) continue;
      this.#noted.add(name);
      fresh.push(each);
    }
    return fresh;
  }
}

function sum(pages: readonly WaitingPage[], what: 'bytes' | 'requests'): number {
  return pages.reduce((total, page) => total + page[what], 0);
}
