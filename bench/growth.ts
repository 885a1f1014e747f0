import type { Harvested } from './harvests.ts';
import { median } from './median.ts';
import { type Part, parts } from './peaks.ts';
import {
  type Column,
  costs,
  type Figure,
  groupBy,
  markdown,
  megabytes,
  peak,
  plain,
  renderTable,
  room,
} from './report.ts';

/** The most memory of its own that any one process of a part had; 0 for a part without processes. */
export const largest =
  (part: Part): Figure =>
  ({ roles }) =>
    Math.max(0, ...roles.filter((each) => each.part === part).map(({ ownBytes }) => ownBytes));

const processes: readonly Column[] = [
  ['largest process of the program MB', largest('program'), megabytes],
  ['of PostgreSQL MB', largest('postgres'), megabytes],
  ['of Redis MB', largest('redis'), megabytes],
  ['shared memory touched MB', (each) => each.sharedBytes, megabytes],
];

const short = (value: number) => value.toFixed(2);
/** What must not fall, or grow, with the number of records: each beside the first number's. */
const ratios: readonly Column[] = [
  ['records/s', (each) => (each.rows * 1_000) / each.wallMs, short],
  ['largest process of the program', largest('program'), short],
  ['of PostgreSQL', largest('postgres'), short],
  ['of Redis', largest('redis'), short],
  ['all of the program', peak('program'), short],
  ['all of PostgreSQL', peak('postgres'), short],
  ['all of Redis', peak('redis'), short],
  ['held by Redis', (each) => each.redisBytes, short],
];

/** For each program and phase tables with a line for each number of records, and one with a line for each kind of process. */
export function renderGrowth(harvested: readonly Harvested[]): string {
  const bySize = (each: Harvested) => plain(each.rows);
  return [...groupBy(harvested, ({ program, phase }) => `${program}, ${phase}`)]
    .map(([title, each]) =>
      [
        `## ${title}`,
        renderTable('records', each, costs, bySize),
        renderTable('records', each, room, bySize),
        renderTable('records', each, processes, bySize),
        ...renderRatios(each),
        renderRoles(each),
      ].join('\n\n'),
    )
    .join('\n\n');
}

function renderRatios(harvested: readonly Harvested[]): string[] {
  const [first, ...others] = groupBy(harvested, ({ rows }) => plain(rows));
  if (first === undefined || others.length === 0) return [];
  const of = (figure: Figure, each: readonly Harvested[]) => median(each.map(figure));
  const lines = others.map(([size, each]) => [
    `${size} / ${first[0]}`,
    ...ratios.map(([, figure, render]) => quotient(of(figure, each), of(figure, first[1]), render)),
  ]);
  return [markdown(['ratios', ...ratios.map(([title]) => title)], lines)];
}

/** Nothing where there is nothing to compare with. */
function quotient(value: number, of: number, render: (value: number) => string): string {
  return of === 0 ? '' : render(value / of);
}

/** Of each role its largest process. Those of the upstream are nobody's. */
function renderRoles(harvested: readonly Harvested[]): string {
  const ours = parts.filter((part) => part !== 'upstream');
  const names = ours.flatMap((part) =>
    [
      ...new Set(harvested.flatMap(({ roles }) => roles.filter((each) => each.part === part).map(({ role }) => role))),
    ].map((role) => ({ part, role })),
  );
  const sizes = [...groupBy(harvested, ({ rows }) => plain(rows))];
  const lines = names.map(({ part, role }) => {
    const own = sizes.map(([, each]) => median(each.map(ownOf(part, role))));
    const last = sizes.length > 1 ? [quotient(own.at(-1) ?? 0, own[0] ?? 0, short)] : [];
    return [`${part}: ${role}`, ...own.map((bytes) => (bytes === 0 ? '' : (bytes / 1e6).toFixed(1))), ...last];
  });
  const head = sizes.map(([size]) => `${size} records`);
  return markdown(['own memory of the largest MB', ...head, ...(sizes.length > 1 ? ['last / first'] : [])], lines);
}

const ownOf =
  (part: Part, role: string): Figure =>
  ({ roles }) =>
    roles.find((each) => each.part === part && each.role === role)?.ownBytes ?? 0;
