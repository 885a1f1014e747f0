// The map of a run's slices, as paths of an SVG: one path a state, so that thousands of slices are four elements. Both
// the server and the browser draw with it.

/** @typedef {'p' | 'w' | 'd' | 'f'} SliceLetter pending, working, done, failed */

/** The side of a slice's cell, in units of the drawing. */
export const CELL = 10;
/** How large a unit of the drawing is at most, in pixels. */
export const LARGEST_UNIT = 2.4;

/**
 * A shape for each state, so that none is told by its colour alone: a dot, a diamond, a square, a cross. Each begins at
 * the cell's upper left corner and comes back to it.
 * @type {Readonly<Record<SliceLetter, readonly [x: number, y: number, outline: string]>>}
 */
const SHAPES = {
  p: [3, 3, 'h4v4h-4z'],
  w: [5, 1, 'l4 4-4 4-4-4z'],
  d: [1, 1, 'h8v8h-8z'],
  f: [1, 2.5, 'l1.5-1.5 2.5 2.5 2.5-2.5 1.5 1.5-2.5 2.5 2.5 2.5-1.5 1.5-2.5-2.5-2.5 2.5-1.5-1.5 2.5-2.5z'],
};

/**
 * How many slices stand in a row: forty, or about three times as many as there are rows.
 * @param {number} count
 */
export function columnsFor(count) {
  return Math.max(1, Math.min(count, Math.max(40, Math.ceil(Math.sqrt(count * 3.2)))));
}

/**
 * Draws slices, given as a letter each.
 * @param {string | readonly string[]} states
 * @returns {{ width: number, height: number, paths: Record<SliceLetter, string> }}
 */
export function drawSlices(states) {
  const columns = columnsFor(states.length);
  /** @type {Record<SliceLetter, string[]>} */
  const parts = { p: [], w: [], d: [], f: [] };
  for (let index = 0; index < states.length; index++) {
    const letter = /** @type {SliceLetter} */ (states[index]);
    const [x, y, outline] = SHAPES[letter];
    parts[letter].push(`M${(index % columns) * CELL + x} ${Math.floor(index / columns) * CELL + y}${outline}`);
  }
  const paths = { p: parts.p.join(''), w: parts.w.join(''), d: parts.d.join(''), f: parts.f.join('') };
  return { width: columns * CELL, height: Math.max(1, Math.ceil(states.length / columns)) * CELL, paths };
}

/**
 * `dddwp` → `3dwp`: how states travel.
 * @param {string} states
 */
export function packStates(states) {
  return states.replaceAll(/(.)\1+/g, (run, letter) => `${run.length}${letter}`);
}

/**
 * `3dwp` → `dddwp`
 * @param {string} packed
 */
export function unpackStates(packed) {
  return packed.replaceAll(/(\d+)([a-z])/g, (_whole, times, letter) => letter.repeat(Number(times)));
}
