// Preloaded into a worker by `--import`: lets the suite move the process's wall clock, as a wrong NTP server or an
// operator does. The offset in milliseconds stands in a file, which is read at the start and on SIGUSR2. The monotonic
// clock (performance.now, timers) goes on as it is, as it does on a real machine.
import { readFileSync } from 'node:fs';

const file = process.env.SHEAF_TEST_CLOCK_FILE;
const RealDate = Date;
let offset = 0;

function readOffset() {
  try {
    offset = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    offset = 0;
  }
}

if (file !== undefined) {
  readOffset();
  process.on('SIGUSR2', readOffset);
  globalThis.Date = class ShiftedDate extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + offset);
      else super(...args);
    }

    static now() {
      return RealDate.now() + offset;
    }
  };
  Object.defineProperty(globalThis.Date, 'name', { value: 'Date' });
}
