/** Leaves the place that was taken. */
export type Leave = () => void;

/** Lets many work side by side in this process, or one alone. */
export interface Company {
  /** Resolves when nobody has to be alone. */
  joinOthers(): Promise<Leave>;
  /** Resolves when nobody else is at work; whoever comes later waits. */
  beAlone(): Promise<Leave>;
}

/**
 * A readers-writer lock that prefers writers (Courtois, Heymans and Parnas, 1971): who wants to be alone waits only
 * for those who are at work already.
 */
export function createCompany(): Company {
  const loners: (() => void)[] = [];
  const others: (() => void)[] = [];
  let atWork = 0;
  let isSomebodyAlone = false;

  const admit = (): void => {
    if (isSomebodyAlone) return;
    if (loners.length > 0) {
      if (atWork > 0) return;
      isSomebodyAlone = true;
      loners.shift()?.();
      return;
    }
    atWork += others.length;
    for (const enter of others.splice(0)) enter();
  };

  const leaveOnce = (leave: () => void): Leave => {
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      leave();
      admit();
    };
  };

  const wait = (queue: (() => void)[]): Promise<void> =>
    new Promise((resolve) => {
      queue.push(resolve);
      admit();
    });

  return {
    joinOthers: async () => {
      await wait(others);
      return leaveOnce(() => {
        atWork -= 1;
      });
    },
    beAlone: async () => {
      await wait(loners);
      return leaveOnce(() => {
        isSomebodyAlone = false;
      });
    },
  };
}
