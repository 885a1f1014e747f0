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

const events = document.querySelector('main')?.dataset['events'];
if (events !== undefined) follow(events);
setInterval(tellTimes, CLOCK_MS);
