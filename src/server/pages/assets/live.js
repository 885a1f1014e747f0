// Keeps a page up to date from the server's events.

import { createMapView } from './map-view.js';

/** Silence for longer than this means that the connection is dead, whatever the browser believes. */
const SILENCE_MS = 45_000;
const TRY_AGAIN_MS = 3_000;

/** @typedef {{ parts: Record<string, string>, states?: string | null, changed?: [number, string][] }} Told */

/**
 * Follows the events at an address for as long as the page is looked at. A page in the background holds no connection:
 * browsers open only six to a server.
 * @param {string} address
 */
export function follow(address) {
  const map = createMapView();
  const status = /** @type {HTMLElement} */ (document.getElementById('connection'));
  /** @type {EventSource | undefined} */
  let source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;
  let isOver = false;

  /** @param {'live' | 'lost' | 'over'} state @param {string} text */
  const show = (state, text) => {
    status.className = `connection ${state}`;
    if (status.textContent !== text) status.textContent = text;
  };
  const stop = () => {
    clearTimeout(silence);
    source?.close();
    source = undefined;
  };
  const lose = () => {
    show('lost', 'Disconnected. Trying again …');
    if (source?.readyState !== EventSource.CLOSED) return;
    stop(); // the browser has given up; this page has not
    setTimeout(start, TRY_AGAIN_MS);
  };
  const hear = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      stop();
      show('lost', 'Disconnected. Trying again …');
      start();
    }, SILENCE_MS);
  };
  /** @param {(told: Told) => void} use */
  const told =
    (use) =>
    (/** @type {MessageEvent<string>} */ { data }) => {
      hear();
      show('live', 'Live');
      use(JSON.parse(data));
    };

  function start() {
    if (source !== undefined || isOver || document.hidden) return;
    source = new EventSource(address);
    source.onerror = lose;
    source.onopen = hear;
    source.addEventListener('beat', hear);
    source.addEventListener('away', () => {
      hear();
      show('lost', 'The database is away. What is shown is how it was.');
    });
    source.addEventListener(
      'state',
      told(({ parts, states }) => {
        replaceParts(parts);
        if (typeof states === 'string') map?.replace(states);
      }),
    );
    source.addEventListener(
      'change',
      told(({ parts, changed }) => {
        replaceParts(parts);
        map?.change(changed ?? []);
      }),
    );
    source.addEventListener('end', () => {
      isOver = true;
      stop();
      show('over', 'The run has ended.');
    });
  }

  document.addEventListener('visibilitychange', () => (document.hidden ? stop() : start()));
  addEventListener('pagehide', stop);
  addEventListener('pageshow', start);
  start();
}

/** Runs that are not on this page and were asked for: each is asked for once. */
const asked = new Set();

/** @param {Record<string, string>} parts */
function replaceParts(parts) {
  const before = stateShown();
  let isNews = false;
  for (const [name, html] of Object.entries(parts)) {
    const part = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (part !== null) replace(part, html);
    else if (name.startsWith('run-') && !asked.has(name)) {
      asked.add(name);
      isNews = true;
    }
  }
  if (stateShown() !== before) document.querySelector('.message.done')?.remove(); // it told of the state before
  if (isNews) void loadList();
}

/** The state of the run that the page is about. */
function stateShown() {
  return document.querySelector('.summary .state')?.textContent;
}

/**
 * Puts new content into a part of the page. What is unfolded stays so, and the focus stays where it is.
 * @param {Element} part
 * @param {string} html
 */
function replace(part, html) {
  const open = [...part.querySelectorAll('details[open]')].map(({ id }) => id);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const place = focused === null ? null : addressOf(focused);
  part.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute('open', '');
  if (place === null) return;
  const again = part.querySelector(place);
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}

/**
 * How to find an element again after its part was replaced: by its id, or by where a link leads.
 * @param {Element} element
 */
function addressOf(element) {
  if (element.id !== '') return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute('href');
  if (href !== null) return `a[href="${CSS.escape(href)}"]`;
  return element.matches('summary') && element.parentElement?.id ? `#${element.parentElement.id} > summary` : null;
}

/** A run has come that this page does not show: the list is asked for again as the page has it. */
async function loadList() {
  const list = document.querySelector('[data-part="runs"]');
  if (list === null) return;
  const answer = await fetch(location.href).catch(() => null);
  if (answer === null || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const part = page.querySelector('[data-part="runs"]');
  if (part !== null) replace(list, part.innerHTML);
}
