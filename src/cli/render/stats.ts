import { bytes, count } from '../../domain/numbers.ts';
import type { DatabaseStats } from '../../runtime/care.ts';
import { table } from './table.ts';

/** What the database holds, for people. */
export function renderStats({ datasets, tables, changesFrom }: DatabaseStats): string {
  const rows = datasets.map((each) => [each.dataset, count(each.records), count(each.deleted), bytes(each.bytes)]);
  const others = tables.map(({ name, bytes: size }) => [name, bytes(size)]);
  return [
    table(['DATASET', 'RECORDS', 'DELETED', 'SIZE'], rows, ['RECORDS', 'DELETED', 'SIZE']),
    '',
    table(['ELSE', 'SIZE'], others, ['SIZE']),
    '',
    `Changes are known from ${changesFrom.slice(0, 16).replace('T', ' ')} (UTC) on.`,
  ].join('\n');
}
