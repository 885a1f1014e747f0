// Keeps the map of slices in the page up to date, and says which slice the pointer is over.

import { CELL, columnsFor, drawSlices, LARGEST_UNIT, unpackStates } from './slice-map.js';

const NAMES = /** @type {Readonly<Record<string, string>>} */ ({
  p: 'waiting',
  w: 'being worked',
  d: 'done',
  f: 'failed',
});
/** The map of this page; null where there is none. */
export function createMapView() {
  const svg = document.getElementById('slice-map');
  const hint = document.getElementById('slice-hint');
  if (svg === null || hint === null) return null;
  let states = [...unpackStates(svg.dataset['states'] ?? '')];
  let isWaiting = false;

  const draw = () => {
    isWaiting = false;
    const { width, height, paths } = drawSlices(states);
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.setAttribute('width', String(width * LARGEST_UNIT));
    svg.setAttribute('height', String(height * LARGEST_UNIT));
    for (const path of svg.querySelectorAll('path'))
      path.setAttribute('d', paths[/** @type {'p'} */ (path.dataset['letter'])]);
  };
  /** However much comes at once, it is drawn once, when the browser is ready to. */
  const drawSoon = () => {
    if (!isWaiting) requestAnimationFrame(draw);
    isWaiting = true;
  };

  svg.addEventListener('pointermove', ({ offsetX, offsetY }) => {
    const columns = columnsFor(states.length);
    const scale = (columns * CELL) / svg.getBoundingClientRect().width;
    const index = Math.floor((offsetY * scale) / CELL) * columns + Math.floor((offsetX * scale) / CELL);
    hint.textContent = states[index] === undefined ? '' : `Slice ${index + 1}: ${NAMES[states[index]]}`;
  });
  svg.addEventListener('pointerleave', () => {
    hint.textContent = '';
  });

  return {
    /** @param {string} packed */
    replace(packed) {
      states = [...unpackStates(packed)];
      drawSoon();
    },
    /** @param {readonly (readonly [number, string])[]} changed pairs of index and letter */
    change(changed) {
      for (const [index, letter] of changed) states[index] = letter;
      if (changed.length > 0) drawSoon();
    },
  };
}
