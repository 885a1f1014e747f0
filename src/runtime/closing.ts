type Step = () => Promise<void> | void;

/** What has been opened, and is to be closed in reverse order. Only what was added is closed: own or borrow. */
export class Closing {
  #steps: (readonly Step[])[] = [];

  /** What is added together is closed at the same time. */
  add(...together: readonly Step[]): void {
    this.#steps.push(together);
  }

  /** Closes everything once, the last opened first. A step that fails does not keep the others from being closed. */
  async close(): Promise<void> {
    const steps = this.#steps.toReversed();
    this.#steps = [];
    const errors: unknown[] = [];
    for (const together of steps) {
      const ends = await Promise.allSettled(together.map(async (step) => step()));
      for (const end of ends) if (end.status === 'rejected') errors.push(end.reason);
    }
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several things failed to close');
  }
}
