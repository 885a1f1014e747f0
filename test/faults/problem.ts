/** What a check found wrong; its text says which run, and what. */
export class Problem extends Error {}

/** A run, or a command, that has not ended when it should have. */
export class Hung extends Problem {}
