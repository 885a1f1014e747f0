import { afterEach, describe, expect, it } from 'vitest';
import { PermanentError } from '../../src/domain/errors.ts';
import { createOdaSource } from '../../src/sources/oda/oda-source.ts';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { followRelations } from '../../src/workers/follow-relations.ts';
import { StagedBefore } from '../../src/workers/staged-before.ts';
import { everything, reach } from '../sources/setup.ts';
import { ballot, members } from '../support/related-rows.ts';
import { range, votes } from '../support/rows.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A page of three votes with seven ballots each, cut after five, and what comes in them. */
async function setUp({ path, lastMember = 7 }: { readonly path: string; readonly lastMember?: number }) {
  const seats = [...range(1, 6), lastMember];
  const ballots = range(1, 3).flatMap((vote) => seats.map((seat) => ballot(vote * 100 + seat, { aktørid: seat })));
  const bad = { key: 99, text: JSON.stringify({ ...members[0], id: null }) };
  const dataset = inlineData({ Afstemning: votes(range(1, 3)), Stemme: ballots, Aktør: [...members, bad] } as never);
  const twin = await startTwin({ dataset, behaviour: { cap: 5 } });
  const { client, fetch } = reach(twin.url);
  closers.push(async () => {
    await client.close();
    await twin.stop();
  });
  const source = createOdaSource({ baseUrl: twin.url });
  const entity = await source.check(fetch, 'Afstemning', everything);
  const query = { entity, selection: everything, expand: await source.relate(fetch, entity, [path]) };
  const position = { strategy: 'keyset', span: { after: 0, upto: 9 }, cursor: 0, pageSize: 5 } as const;
  const follow = async (isNesting: boolean, mostSize?: number) => {
    const read = (body: Buffer) => source.readPage(query, position, body);
    const page = await fetch(source.pagePath(query, position), read);
    const following = { source, fetch, stop: new AbortController().signal, isNesting };
    const { related } = await followRelations({ ...following, ...(mostSize && { mostSize }) }, page);
    return related ?? expect.fail('nothing came nested');
  };
  const lengthOf = ({ sets }: Awaited<ReturnType<typeof follow>>) =>
    sets.flatMap(({ records }) => records.map(({ json }) => json.length)).reduce((sum, length) => sum + length, 0);
  return { follow, lengthOf };
}

describe('what comes nested in a page', () => {
  it('is held up to so many bytes, and no further', async () => {
    const { follow, lengthOf } = await setUp({ path: 'Stemme' });
    const whole = await follow(false);
    expect(whole).toMatchObject({ parts: 3, sets: [{ dataset: 'oda/Stemme', records: { length: 21 } }] });
    expect(await follow(false, lengthOf(whole))).toEqual(whole);
    const tooLarge = follow(false, lengthOf(whole) - 1);
    await expect(tooLarge).rejects.toBeInstanceOf(PermanentError);
    await expect(tooLarge).rejects.toMatchObject({
      code: 'expand-too-large',
      message: expect.stringContaining('sheaf harvest oda/Stemme'),
      facts: { entity: 'Stemme', most: lengthOf(whole) - 1 },
    });
  });

  it('counts once where the same record comes in many parents, unless it is kept in each of them', async () => {
    const { follow, lengthOf } = await setUp({ path: 'Stemme/Aktør' });
    const whole = await follow(false);
    const once = lengthOf(whole);
    expect(whole.sets.map(({ records }) => records.length)).toEqual([21, 7]);
    expect(await follow(false, once)).toEqual(whole);
    await expect(follow(true, once)).rejects.toMatchObject({ code: 'expand-too-large' });
    expect((await follow(true, 3 * once)).documents).toHaveLength(3);
  });

  it('is rejected once a page where the same record comes in many parents, and once a walk', async () => {
    const { follow } = await setUp({ path: 'Stemme/Aktør', lastMember: 99 });
    const page = await follow(false);
    const [ballots, actors] = page.sets;
    expect(ballots).toMatchObject({ dataset: 'oda/Stemme', records: { length: 21 }, rejects: [] });
    expect(actors).toMatchObject({ dataset: 'oda/Aktør', records: { length: 6 }, rejects: [{ reason: 'no-key' }] });
    expect(actors?.rejects).toHaveLength(1);
    const before = new StagedBefore();
    expect(before.without(page)).toEqual(page);
    before.remember(page);
    expect(before.without(await follow(false)).sets).toMatchObject([
      { records: [], rejects: [] },
      { records: [], rejects: [] },
    ]);
  });
});
