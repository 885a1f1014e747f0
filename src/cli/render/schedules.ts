import { formatInZone } from '../../domain/cron.ts';
import { formatDuration } from '../../domain/duration.ts';
import { ranAt } from '../../domain/schedule.ts';
import type { ScheduleReport } from '../../runtime/schedules.ts';
import { table } from './table.ts';

type Firing = ScheduleReport['firings'][number];

/** A table of schedules. */
export function renderSchedules(reports: readonly ScheduleReport[]): string {
  const rows = reports.map((report) => [
    report.name,
    report.cron,
    next(report),
    report.overlap,
    report.datasets.join(' '),
    report.asksFor,
    report.firings.map((firing) => `${time(report, ranAt(firing))}: ${outcome(firing)}`)[0] ?? '-',
  ]);
  return table(['SCHEDULE', 'CRON', 'NEXT', 'OVERLAP', 'DATASETS', 'ASKS FOR', 'LAST'], rows);
}

/** One schedule, with its firings. */
export function renderSchedule(report: ScheduleReport): string {
  const { name, cron, timeZone, state, overlap, catchUp, catchUpWindowMs, jitterMs } = report;
  const lines = [
    `${name}: ${state}`,
    `  due       ${cron} in ${timeZone}${jitterMs > 0 ? `, up to ${formatDuration(jitterMs)} later` : ''}`,
    `  datasets  ${report.datasets.join(' ')}`,
    `  asks for  ${report.asksFor}`,
    `  overlap   ${overlap}`,
    `  catch-up  ${catchUp}${catchUp === 'none' ? '' : `, within ${formatDuration(catchUpWindowMs)}`}`,
  ];
  if (report.error !== null) lines.push('', report.error);
  if (report.nextTimes.length > 0) lines.push('', 'Next:', renderTimes(report));
  if (report.firings.length === 0) return lines.join('\n');
  const rows = report.firings.map((firing) => [time(report, firing.dueAt), firing.kind, outcome(firing)]);
  return [...lines, '', table(['DUE', 'KIND', 'OUTCOME'], rows)].join('\n');
}

/** The next times, a line each. */
export function renderTimes(report: ScheduleReport): string {
  return report.nextTimes.map((each) => `  ${time(report, each)}`).join('\n');
}

function next(report: ScheduleReport): string {
  if (report.state !== 'active') return report.state;
  return report.error === null ? time(report, report.nextTimes[0]) : 'cannot be told';
}

/** In UTC where the schedule's own zone may be what is wrong with it. */
function time({ timeZone, error }: ScheduleReport, moment: Date | undefined): string {
  return moment === undefined ? '-' : formatInZone(new Date(moment), error === null ? timeZone : 'UTC');
}

function outcome({ state, reason, runs }: Firing): string {
  const each = runs.map(({ run, dataset, state: runState }) => `${dataset} ${runState} (${run})`).join(', ');
  if (state === 'started') return each;
  return [reason === null ? state : `${state}: ${reason}`, each].filter((text) => text !== '').join('; ');
}
