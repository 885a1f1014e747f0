/** What has been opened, and is to be closed in reverse order. Only what was added is closed: own or borrow. */
export class Closing {
  #steps: (() => Promise<void> | void)[] = [];

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** Closes everything once, the last opened first. A step that fails does not keep the others from being closed. */
  async close(): Promise<void> {
    const steps = this.#steps.toReversed();
    this.#steps = [];
    const errors: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several things failed to close');
  }
}
