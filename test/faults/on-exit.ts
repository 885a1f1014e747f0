const steps = new Set<() => void>();

process.on('exit', () => {
  for (const step of [...steps].toReversed()) {
    try {
      step();
    } catch {
      // Nothing more can be done about it, and the others must still be ended.
    }
  }
});

/**
 * Does something when this process ends before it could clear up in order, the last registered first. Returns what takes
 * it off again.
 */
export function onExit(step: () => void): () => void {
  steps.add(step);
  return () => void steps.delete(step);
}
