import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** What a figure depends on besides the program. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryBytes: number;
  readonly node: string;
  readonly postgres: string;
  readonly system: string;
  /** Processes that wanted to run in the minute before: more than a few tenths, and the figures are somebody else's, too. */
  readonly loadBefore: number;
  readonly description: string;
}

export function describeMachine(postgres: string): Machine {
  const machine = {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
    postgres,
    system: `Linux ${release()}`,
    loadBefore: loadavg()[0] ?? 0,
  };
  const { cores, processor, memoryBytes, node, system, loadBefore } = machine;
  const size = `${cores} cores (${processor}), ${Math.round(memoryBytes / 1e9)} GB`;
  return {
    ...machine,
    description: `${size}, Node ${node}, PostgreSQL ${postgres}, ${system}; load of the minute before: ${loadBefore.toFixed(2)}`,
  };
}
