import type { RunResult } from './run-scenario.ts';
import { type StrikeKind, strikeKinds } from './scenario.ts';

export interface KindSummary {
  readonly kind: StrikeKind;
  /** Scenarios that held it. */
  readonly runs: number;
  /** Strikes that hit something. */
  readonly strikes: number;
  readonly failures: number;
}

export interface Summary {
  readonly runs: number;
  readonly failures: number;
  readonly strikes: number;
  /** Runs that needed `sheaf retry` or a new harvest, as their policy says. */
  readonly helped: number;
  readonly durationMs: { readonly median: number; readonly p95: number; readonly max: number };
  readonly kinds: readonly KindSummary[];
}

export function summarise(results: readonly RunResult[]): Summary {
  const durations = results.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b);
  const at = (share: number) => durations[Math.min(durations.length - 1, Math.floor(share * durations.length))] ?? 0;
  const kinds = strikeKinds.map((kind) => {
    const having = results.filter(({ scenario }) => scenario.strikes.some((strike) => strike.kind === kind));
    const strikes = results.flatMap(({ carriedOut }) => carriedOut).filter((each) => each === kind).length;
    return { kind, runs: having.length, strikes, failures: having.filter(hasFailed).length };
  });
  return {
    runs: results.length,
    failures: results.filter(hasFailed).length,
    strikes: kinds.reduce((sum, { strikes }) => sum + strikes, 0),
    helped: results.filter(({ helps }) => helps > 0).length,
    durationMs: { median: at(0.5), p95: at(0.95), max: at(1) },
    kinds,
  };
}

/** So many runs may pass a kind of fault by, because they were over before; all of more are not. */
const MISSED_BY_CHANCE = 7;

/** The kinds that struck nobody though many runs were to be struck: the suite is broken, not the harvest. */
export function neverStruck({ kinds }: Pick<Summary, 'kinds'>): StrikeKind[] {
  return kinds.filter(({ runs, strikes }) => runs > MISSED_BY_CHANCE && strikes === 0).map(({ kind }) => kind);
}

export function hasFailed({ problems }: RunResult): boolean {
  return problems.length > 0;
}

export function renderSummary(summary: Summary): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const { median, p95, max } = summary.durationMs;
  const rows = summary.kinds.filter(({ runs }) => runs > 0);
  return [
    `${'fault'.padEnd(18)}${'runs'.padStart(6)}${'strikes'.padStart(9)}${'failures'.padStart(10)}`,
    ...rows.map(
      ({ kind, runs, strikes, failures }) =>
        `${kind.padEnd(18)}${String(runs).padStart(6)}${String(strikes).padStart(9)}${String(failures).padStart(10)}`,
    ),
    '',
    `${summary.runs} runs, ${summary.strikes} strikes, ${summary.failures} failures; ${summary.helped} runs needed a retry, as their policy says.`,
    `A run took ${seconds(median)} (median), ${seconds(p95)} (95th percentile), ${seconds(max)} (longest).`,
  ].join('\n');
}

export function renderResult({ scenario, durationMs, carriedOut, helps, problems }: RunResult): string {
  const kinds = [...new Set(scenario.strikes.map(({ kind }) => kind))].join('+') || 'nothing';
  const verdict = problems.length > 0 ? `FAILED: ${problems[0]}` : helps > 0 ? `exact after ${helps} retries` : 'exact';
  return [
    `seed ${String(scenario.seed).padStart(5)}`,
    scenario.engine.padEnd(8),
    `${(durationMs / 1000).toFixed(1).padStart(5)} s`,
    `${String(carriedOut.length).padStart(2)} strikes`,
    `${verdict}  [${kinds}]`,
  ].join('  ');
}
