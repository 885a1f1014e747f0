// How long ago something was, in words. The server writes it into the page, and the browser counts on.

const UNITS = /** @type {const} */ ([
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]);

/**
 * 90_000 → `1 minute ago`
 * @param {number} ms
 */
export function ago(ms) {
  const seconds = Math.floor(ms / 1_000);
  const [unit, size] = UNITS.find((each) => seconds >= each[1]) ?? ['second', 1];
  const value = Math.floor(seconds / size);
  return seconds < 5 ? 'just now' : `${value} ${unit}${value === 1 ? '' : 's'} ago`;
}
