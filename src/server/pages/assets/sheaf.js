// What the pages do in a browser. Without it they can be read, and everything can be done, all the same.

import { ago } from './ago.js';
import { follow } from './live.js';

const CLOCK_MS = 5_000;

function tellTimes() {
  for (const time of document.querySelectorAll('time')) {
    const text = ago(Date.now() - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

/** That something was done is told once, and not again when the page is loaded again. */
function forgetDone() {
  const address = new URL(location.href);
  if (!address.searchParams.has('done')) return;
  address.searchParams.delete('done');
  history.replaceState(history.state, '', address);
}

forgetDone();
const events = document.querySelector('main')?.dataset['events'];
if (events !== undefined) follow(events);
setInterval(tellTimes, CLOCK_MS);
