import { describe, expect, it } from 'vitest';
import type { Row } from '../support/independent.ts';
import { SET, setUp } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';
import { openFeeder, subscribe, type Told, toldIn } from './setup.ts';

const NAME = `oda/${SET}`;

/** What a subscriber's copy holds after it has carried out what it was told. */
function applied(changes: readonly Told[]): Map<number, Row> {
  const copy = new Map<number, Row>();
  for (const { kind, key, data, before } of changes) {
    const known = copy.get(Number(key));
    expect(before, `what ${key} was`).toEqual(kind === 'insert' ? null : known);
    if (kind === 'delete') copy.delete(Number(key));
    else copy.set(Number(key), data as Row);
  }
  return copy;
}

describe('the change feed', () => {
  it('tells every change in order, with the record as that change left it, whatever has been merged since', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 1_100) });
    const copies: Map<number, Row>[] = [];
    const runs: string[] = [];
    const harvest = async (): Promise<void> => {
      runs.push((await fleet.harvest(NAME, { formats: [] })).run);
      copies.push(new Map(source.rows));
    };
    const edit = (id: number, konklusion: string) => {
      const row = { ...votes([id])[0], konklusion } as Row;
      fleet.twin.put(SET, row as never);
      source.rows.set(id, row);
    };
    await harvest();
    edit(7, 'second');
    edit(700, 'second');
    source.remove(9);
    await harvest();
    edit(7, 'third');
    source.put(9, 2_000);
    await harvest();
    edit(7, 'fourth');
    source.remove(2_000);
    await harvest();

    await subscribe(fleet.context, 'index');
    const { feeder, messages, errors } = await openFeeder(fleet.context);
    await feeder.tend();
    expect(errors).toEqual([]);
    expect(messages.map(({ run, changes, isLast }) => [runs.indexOf(run), changes.length, isLast])).toEqual([
      [0, 500, false],
      [0, 500, false],
      [0, 100, true],
      [1, 3, true],
      [2, 3, true],
      [3, 2, true],
    ]);
    for (const [number, run] of runs.entries()) {
      const upTo = messages.filter((message) => runs.indexOf(message.run) <= runs.indexOf(run));
      expect(applied(toldIn(upTo))).toEqual(copies[number]);
    }
    const order = toldIn(messages).map(({ at, key }) => `${at} ${key}`);
    expect(order).toEqual(order.toSorted());
    expect(new Set(order).size).toBe(order.length);
    await feeder.tend();
    expect(messages).toHaveLength(6);
  });
});
