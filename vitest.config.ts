import { defineConfig } from 'vitest/config';

/** What takes long, file by file, and changes seldom: `npm run test:slow`. */
const SLOW = [
  'test/cli/db-open.test.ts',
  'test/cli/feed.test.ts',
  'test/cli/rejects.test.ts',
  'test/embedded/keeper.test.ts',
  'test/embedded/recovery.test.ts',
  'test/embedded/root.test.ts',
  'test/embedded/sharing.test.ts',
  'test/embedded/start-embedded-postgres.test.ts',
  'test/faults/short.test.ts',
  'test/runtime/gates.test.ts',
  'test/runtime/limits.test.ts',
  'test/runtime/mixed-errors.test.ts',
  'test/runtime/poison.test.ts',
  'test/runtime/real-snapshots.test.ts',
  'test/runtime/relations-faults.test.ts',
  'test/runtime/throttling.test.ts',
  'test/runtime/watchdog.test.ts',
  'test/workers/dying-finaliser.test.ts',
  'test/workers/reread.test.ts',
  'test/workers/steps.test.ts',
];
const isSlow = process.env['SHEAF_TEST'] === 'slow';

export default defineConfig({
  test: {
    include: isSlow ? SLOW : ['test/**/*.test.ts'],
    exclude: isSlow ? [] : SLOW,
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 3, // on two cores: a third of the time is spent waiting
  },
});
