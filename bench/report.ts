import type { Harvested } from './harvests.ts';
import { median } from './median.ts';
import type { Part } from './peaks.ts';
import type { Phase, ProgramName } from './programs.ts';

export type Figure = (harvested: Harvested) => number;

const cpu =
  (part: Part): Figure =>
  (each) =>
    ((each.cpuMs[part] / 1_000) * 100_000) / each.rows;
export const peak =
  (part: Part): Figure =>
  (each) =>
    each.peakBytes[part];
/** What the work costs; what the upstream has to do for it is nobody's merit. */
const allCpu: Figure = (each) => cpu('program')(each) + cpu('postgres')(each) + cpu('redis')(each);

export type Column = readonly [title: string, figure: Figure, render: (value: number) => string];

export const plain = (value: number) => Math.round(value).toLocaleString('en');
const seconds = (value: number) => (value / 1_000).toFixed(2);
const short = (value: number) => value.toFixed(2);
export const megabytes = (value: number) => (value < 10_000_000 ? (value / 1e6).toFixed(1) : plain(value / 1e6));

export const costs: readonly Column[] = [
  ['records/s', (each) => (each.rows * 1_000) / each.wallMs, plain],
  ['wall s', (each) => each.wallMs, seconds],
  ['own clock s', (each) => each.ownMs, seconds],
  ['CPU s per 100,000', allCpu, short],
  ['program', cpu('program'), short],
  ['PostgreSQL', cpu('postgres'), short],
  ['Redis', cpu('redis'), short],
  ['upstream (not in it)', cpu('upstream'), short],
];
export const room: readonly Column[] = [
  ['program MB', peak('program'), megabytes],
  ['PostgreSQL MB', peak('postgres'), megabytes],
  ['Redis MB', peak('redis'), megabytes],
  ['upstream MB', peak('upstream'), megabytes],
  ['held by Redis MB', (each) => each.redisBytes, megabytes],
  ['queue tables MB', (each) => each.queueBytes, megabytes],
  ['WAL bytes a record', (each) => each.walBytes / each.rows, plain],
];
const ratios: readonly Column[] = [
  ['wall', (each) => each.wallMs, short],
  ['own clock', (each) => each.ownMs, short],
  ['CPU', allCpu, short],
  ['program MB', peak('program'), short],
  ['held by Redis MB', (each) => each.redisBytes, short],
];

/** Tables in Markdown: what each program costs, and Sheaf beside the others. */
export function renderComparison(harvested: readonly Harvested[]): string {
  return [...groupBy(harvested, ({ rows, phase }) => `${plain(rows)} records, ${phase}`)]
    .map(([title, each]) =>
      [
        `## ${title}`,
        renderTable('medians', each, costs),
        renderTable('peak memory', each, room),
        ...renderRatios(each),
      ].join('\n\n'),
    )
    .join('\n\n');
}

export function renderTable(
  corner: string,
  harvested: readonly Harvested[],
  columns: readonly Column[],
  lineOf: (each: Harvested) => string = ({ program }) => program,
): string {
  const lines = [...groupBy(harvested, lineOf)].map(([name, each]) => [
    name,
    ...columns.map(([, figure, render]) => render(median(each.map(figure)))),
  ]);
  return markdown([corner, ...columns.map(([title]) => title)], lines);
}

/** Medians of the rounds' ratios: what slows the machine down for a while slows both programs of a round down. */
function renderRatios(harvested: readonly Harvested[]): string[] {
  const byProgram = new Map(groupBy(harvested, ({ program }) => program));
  const others: ProgramName[] = ['by-hand', 'celery'];
  const lines = [...byProgram].flatMap(([program, ours]) =>
    others
      .filter((other) => byProgram.has(other) && !others.includes(program as ProgramName))
      .map((other) => [`${program} / ${other}`, ...ratios.map((column) => ratio(ours, byProgram.get(other), column))]),
  );
  return lines.length === 0 ? [] : [markdown(['ratios', ...ratios.map(([title]) => title)], lines)];
}

function ratio(ours: readonly Harvested[], theirs: readonly Harvested[] = [], [, figure, render]: Column): string {
  const each = ours.flatMap((harvested) => {
    const other = theirs.find(({ round }) => round === harvested.round);
    return other === undefined || figure(other) === 0 ? [] : [figure(harvested) / figure(other)];
  });
  return each.length === 0 ? '' : render(median(each));
}

/** One line for those who watch. */
export function renderLine(each: Harvested): string {
  const rate = `${plain((each.rows * 1_000) / each.wallMs)} records/s`;
  const name = `${each.program}, ${each.phase satisfies Phase}, ${plain(each.rows)} records`;
  return `round ${each.round}: ${name}: ${seconds(each.wallMs)} s, ${rate}, CPU ${allCpu(each).toFixed(2)} s per 100,000`;
}

export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rule = head.map((_title, index) => (index === 0 ? '---' : '---:'));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  return Map.groupBy(values, keyOf);
}
