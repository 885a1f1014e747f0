import type { Fault, FaultRule } from '../../src/twin/faults.ts';
import type { Twin } from '../../src/twin/start-twin.ts';
import type { Strike, TwinTrouble } from './scenario.ts';
import { ENTITY } from './source-rows.ts';

/** Switches troubles of the twin on and off; several may be on at once. */
export interface TwinSwitch {
  on(rules: readonly FaultRule[]): () => void;
  /** The source is well from now on. */
  heal(): void;
}

export function createTwinSwitch(twin: Twin): TwinSwitch {
  const active = new Set<readonly FaultRule[]>();
  const apply = () => twin.setBehaviour({ faults: [...active].flat() });
  return {
    on: (rules) => {
      active.add(rules);
      apply();
      return () => {
        active.delete(rules);
        apply();
      };
    },
    heal: () => {
      active.clear();
      apply();
    },
  };
}

/** What `twin-faults` does: one kind of trouble, for a share of the answers, a limited number of times. */
export function faultRules({ trouble, rate, count }: Strike): FaultRule[] {
  return faultsOf(trouble).map((fault) => ({ fault, rate, count: count * 4, where: { entity: ENTITY } }));
}

function faultsOf(trouble: TwinTrouble): Fault[] {
  switch (trouble) {
    case 'too-many':
      return [{ kind: 'status', status: 429, retryAfter: { inSeconds: 1 } }];
    case 'too-many-date':
      return [{ kind: 'status', status: 429, retryAfter: { dateInSeconds: 2 } }];
    case 'server-error':
      return [500, 502, 503].map((status) => ({ kind: 'status', status }));
    case 'reset':
      return [{ kind: 'reset' }, { kind: 'reset', afterBytes: 1_000 }];
    case 'truncated':
      return [{ kind: 'truncated-body', sentShare: 0.7 }];
    case 'html':
      return [{ kind: 'html-body' }];
    case 'slow':
      return [{ kind: 'slow-body', durationMs: 1_200, pieces: 5 }];
    case 'hang':
      return [{ kind: 'hang', forMs: 4_000 }];
    case 'other-shape':
      return [{ kind: 'other-shape' }];
    case 'duplicated-rows':
      return [{ kind: 'duplicated-rows', rows: 2 }];
    case 'missing-rows':
      return [{ kind: 'missing-rows', rows: 2 }];
  }
}

/** What `twin-outage` does: nothing is answered any more, in one of the ways in which servers are down. */
export function outageRules({ count }: Strike): FaultRule[] {
  const faults: Fault[] = [{ kind: 'reset' }, { kind: 'status', status: 503 }, { kind: 'hang' }];
  return [{ fault: faults[count - 1] ?? { kind: 'reset' } }];
}
