import { expect, it } from 'vitest';
import { renderSchedule, renderSchedules } from '../../../src/cli/render/schedules.ts';
import { REQUEST_DEFAULTS } from '../../../src/domain/harvest-request.ts';
import type { ScheduleReport } from '../../../src/runtime/schedules.ts';

it('shows a schedule whose time zone is not known with what is wrong, and its firings in UTC', () => {
  const at = new Date('2026-11-01T02:30:00Z');
  const ended = { state: 'skipped', reason: 'left out', failures: 0, runs: [], settledAt: at } as const;
  const report: ScheduleReport = {
    ...{ name: 'nightly', cron: '30 2 * * *', timeZone: 'Mars/Phobos', datasets: ['oda/Sag'], state: 'active' },
    ...{ asksFor: 'keys-only sweep', harvest: { ...REQUEST_DEFAULTS, keysOnly: true } },
    ...{ overlap: 'skip', catchUp: 'none', catchUpWindowMs: 60_000, jitterMs: 0, createdAt: at },
    ...{ error: 'There is no Phobos.', nextTimes: [] },
    firings: [{ id: 1, kind: 'cron', dueAt: at, startAt: at, ...ended }],
  };
  expect(renderSchedules([report])).toMatch(/cannot be told .*2026-11-01 02:30:00 \+00:00: skipped: left out/);
  expect(renderSchedules([report])).toMatch(/ASKS FOR[\s\S]*oda\/Sag +keys-only sweep +2026/);
  expect(renderSchedule(report)).toContain('\n  asks for  keys-only sweep\n');
  expect(renderSchedule(report)).toContain('\n\nThere is no Phobos.\n');
});
