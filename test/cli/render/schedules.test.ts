import { expect, it } from 'vitest';
import { renderSchedule, renderSchedules } from '../../../src/cli/render/schedules.ts';
import type { ScheduleReport } from '../../../src/runtime/schedules.ts';

it('shows a schedule whose time zone is not known with what is wrong, and its firings in UTC', () => {
  const at = new Date('2026-11-01T02:30:00Z');
  const ended = { state: 'skipped', reason: 'left out', failures: 0, runs: [], settledAt: at } as const;
  const report: ScheduleReport = {
    ...{ name: 'nightly', cron: '30 2 * * *', timeZone: 'Mars/Phobos', datasets: ['oda/Sag'], state: 'active' },
    ...{ overlap: 'skip', catchUp: 'none', catchUpWindowMs: 60_000, jitterMs: 0, createdAt: at },
    ...{ error: 'There is no Phobos.', nextTimes: [] },
    firings: [{ id: 1, kind: 'cron', dueAt: at, startAt: at, ...ended }],
  };
  expect(renderSchedules([report])).toMatch(/cannot be told .*2026-11-01 02:30:00 \+00:00: skipped: left out/);
  expect(renderSchedule(report)).toContain('\n\nThere is no Phobos.\n');
});
