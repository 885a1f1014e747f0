/** For so long a slot stands idle before work is given away for it: between two jobs each does for a moment. */
const IDLE_MS = 50;

/** The slots of this process that have nothing to do. */
export interface IdleSlots {
  /** A slot is at work. Returns how to say that it has ended. */
  take(): () => void;
  /** How many have stood idle for a while, since when nobody has given anything away for them. */
  count(): number;
  /** Work was given away for them, which they are about to take. */
  given(): void;
}

export function createIdleSlots(size: number, now: () => number = () => performance.now()): IdleSlots {
  let atWork = 0;
  let idleSince = now();
  return {
    take: () => {
      atWork += 1;
      return () => {
        if (atWork >= size) idleSince = now();
        atWork -= 1;
      };
    },
    count: () => (now() - idleSince < IDLE_MS ? 0 : Math.max(0, size - atWork)),
    given: () => {
      idleSince = now();
    },
  };
}
