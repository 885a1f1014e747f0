import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/domain/errors.ts';
import { type Selection, strategies } from '../../src/domain/harvest-request.ts';
import { cutSpan } from '../../src/domain/span.ts';
import type { TimeWindow } from '../../src/domain/time-window.ts';
import type { SourceQuery } from '../../src/sources/source.ts';
import { everything, textOf, type Walkable, walk } from './setup.ts';

/** What a source is tried with. */
export interface Specimen extends Walkable {
  /** An entity of several pages, whose keys have gaps. */
  readonly entity: string;
  /** All its keys, in order. */
  readonly keys: readonly string[];
  /** A filter that some of them match, in the source's language, and those keys. */
  readonly filter: string;
  readonly filtered: readonly string[];
  /** A window of time, more than a page of those that were last changed within it, and the latest timestamp of all. */
  readonly window: TimeWindow;
  readonly windowed: readonly string[];
  readonly latest: string;
  /** A filter that selects the records with these keys. */
  keysFilter(keys: readonly string[]): string;
  /** A filter that nothing matches. */
  readonly emptyFilter: string;
  /** A filter over a field that does not exist. */
  readonly unknownFilter: string;
  /** A field that is neither key nor timestamp. */
  readonly field: string;
  /** A name that does not exist but is near to that of the entity. */
  readonly nearEntity: string;
  /** An entity with one page of records and one row that is not a record. */
  readonly spoiled: { readonly entity: string; readonly keys: readonly string[] };
  close(): Promise<void>;
}

/** The promises of `Source`, held by every source. Called once for each source, and for each way its server may behave. */
export function describeSource(name: string, open: () => Promise<Specimen>): void {
  describe(`the source contract: ${name}`, () => {
    let specimen: Specimen;
    beforeAll(async () => {
      specimen = await open();
    });
    afterAll(() => specimen.close());

    const queryOf = async (selection: Partial<Selection> = {}, entity = specimen.entity): Promise<SourceQuery> => {
      const whole = { ...everything, ...selection };
      return { entity: await specimen.source.check(specimen.fetch, entity, whole), selection: whole };
    };

    it('tells the latest timestamp of what a query selects', async () => {
      const { source, fetch, latest, window, emptyFilter } = specimen;
      expect(await source.latest(fetch, await queryOf())).toBe(latest);
      const before = { ...window, from: '1900-01-01T00:00:00', before: window.from };
      const earlier = await source.latest(fetch, { ...(await queryOf()), window: before });
      expect(earlier !== null && earlier < latest).toBe(true);
      expect(await source.latest(fetch, await queryOf({ filter: emptyFilter }))).toBeNull();
    });

    describeMetadata(() => specimen);
    for (const strategy of strategies) {
      describe(`by ${strategy}`, () => {
        const harvest = async (selection: Partial<Selection> = {}, parts = 1, entity = specimen.entity) => {
          const query = await queryOf(selection, entity);
          const survey = await specimen.source.survey(specimen.fetch, query, strategy);
          const spans = cutSpan(survey.span, parts);
          const walks = await Promise.all(spans.map((span) => walk(specimen, query, { ...survey, span })));
          return {
            survey,
            query,
            keys: walks.flatMap(({ keys }) => keys),
            rejects: walks.flatMap(({ rejects }) => rejects),
            rows: walks.flatMap(({ rows }) => rows),
          };
        };

        it('gives each record exactly once when one span is walked to its end', async () => {
          const { survey, keys } = await harvest();
          expect(survey).toMatchObject({ strategy, expected: specimen.keys.length });
          expect(keys).toEqual(specimen.keys);
        });

        it.each([2, 7, 90])('gives each record exactly once when the span is cut into %i', async (parts) => {
          expect((await harvest({}, parts)).keys).toEqual(specimen.keys);
        });

        it('gives only what the filter selects, and counts only that', async () => {
          const { survey, keys } = await harvest({ filter: specimen.filter }, 3);
          expect(survey.expected).toBe(specimen.filtered.length);
          expect(keys).toEqual(specimen.filtered);
        });

        it('finds nothing to cover where nothing matches', async () => {
          const { survey, keys } = await harvest({ filter: specimen.emptyFilter });
          expect(survey.span.after).toBe(survey.span.upto);
          expect(survey.expected).toBe(0);
          expect(keys).toEqual([]);
        });

        it.each([1, 3, 30, 120])('stops after the first %i records in key order when told to', async (maxRecords) => {
          const { survey, keys } = await harvest({ maxRecords }, 2);
          expect(survey.expected).toBe(maxRecords);
          expect(keys).toEqual(specimen.keys.slice(0, maxRecords));
        });

        it('takes everything when the most records are more than there are', async () => {
          const { survey, keys } = await harvest({ maxRecords: specimen.keys.length + 10 });
          expect(survey.expected).toBe(specimen.keys.length);
          expect(keys).toEqual(specimen.keys);
        });

        it('gives the key along with the fields that were selected', async () => {
          expect((await harvest({ select: [specimen.field], maxRecords: 5 })).keys).toEqual(specimen.keys.slice(0, 5));
        });

        it('leaves out all but key and timestamp when no field is selected, if it can leave fields out', async () => {
          const { keys, rows } = await harvest({ select: [], maxRecords: 5 });
          expect(keys).toEqual(specimen.keys.slice(0, 5));
          const { keyField, timestampField } = (await queryOf()).entity;
          const names = timestampField === null ? [keyField] : [keyField, timestampField];
          if (!specimen.source.canSelect) return;
          for (const row of rows) expect(Object.keys(JSON.parse(textOf(row))).toSorted()).toEqual(names.toSorted());
        });

        it('counts the parts of a span so that they add up to the whole', async () => {
          const query = await queryOf();
          const { span } = await specimen.source.survey(specimen.fetch, query, strategy);
          const counts = await Promise.all(
            cutSpan(span, 3).map((part) => specimen.source.count(specimen.fetch, query, { ...part, strategy })),
          );
          expect(counts.reduce<number>((sum, each) => sum + (each ?? 0), 0)).toBe(specimen.keys.length);
          expect(await specimen.source.count(specimen.fetch, query)).toBe(specimen.keys.length);
        });

        it('tells the count and the highest key at once, of what the filter selects', async () => {
          const { source, fetch, keys, filter, filtered, emptyFilter } = specimen;
          const extentOf = async (selection: Partial<Selection>) => source.extent(fetch, await queryOf(selection));
          const whole = (some: readonly string[]) => ({ count: some.length, highest: Math.max(...some.map(Number)) });
          expect(await extentOf({})).toEqual(whole(keys));
          expect(await extentOf({ filter, maxRecords: 1 })).toEqual(whole(filtered));
          expect(await extentOf({ filter: emptyFilter })).toEqual({ count: 0, highest: null });
        });

        it('gives, walks, counts and bounds only what was last changed within a window of time', async () => {
          const { source, fetch, window, windowed } = specimen;
          const query = { ...(await queryOf()), window };
          const survey = await source.survey(fetch, query, strategy);
          expect(survey).toMatchObject({ expected: windowed.length, whole: null });
          const walks = await Promise.all(
            cutSpan(survey.span, 3).map((span) => walk(specimen, query, { ...survey, span })),
          );
          expect(walks.flatMap(({ keys }) => keys)).toEqual(windowed);
          expect(await source.count(fetch, query)).toBe(windowed.length);
          expect(await source.extent(fetch, query)).toEqual({
            count: windowed.length,
            highest: Math.max(...windowed.map(Number)),
          });
        });

        it('gives all that a window holds with the survey when it comes in one answer, and only then', async () => {
          const { source, fetch, window, windowed, keys } = specimen;
          const few = windowed.slice(0, 3);
          const query = await queryOf({ filter: specimen.keysFilter(few) });
          const { whole, span, expected } = await source.survey(fetch, { ...query, window }, strategy);
          expect(whole?.records.map(({ key }) => key)).toEqual(few);
          expect(span.upto - span.after).toBeGreaterThanOrEqual(few.length);
          expect(expected).toBe(few.length);
          const none = { from: '1900-01-01T00:00:00', before: '1900-01-02T00:00:00', withUntimed: false };
          const empty = await source.survey(fetch, { ...query, window: none }, strategy);
          expect(empty).toMatchObject({ expected: 0, whole: { records: [], rejects: [], received: 0, next: null } });
          expect((await source.survey(fetch, query, strategy)).whole).toBeNull();
          expect(keys.length).toBeGreaterThan(few.length);
        });

        it('keeps a row that is not a record as a reject, and the records around it', async () => {
          const { keys, rejects } = await harvest({}, 1, specimen.spoiled.entity);
          expect(keys).toEqual(specimen.spoiled.keys);
          expect(rejects).toHaveLength(1);
        });

        it('makes the same of a kept row by itself as it did in its page, record or reject', async () => {
          const { rows, query } = await harvest({}, 1, specimen.spoiled.entity);
          expect(rows).toHaveLength(specimen.spoiled.keys.length + 1);
          for (const row of rows) expect(specimen.source.normalise(query.entity, textOf(row))).toEqual(row);
        });
      });
    }
  });
}

function describeMetadata(get: () => Specimen): void {
  const refusal = async (entity: string, selection: Partial<Selection> = {}) => {
    const { source, fetch } = get();
    return source.check(fetch, entity, { ...everything, ...selection }).catch((error: unknown) => error);
  };

  it('describes its entities: a key that is a field, and fields with types', async () => {
    const { source, fetch, entity: name } = get();
    const entity = (await source.entities(fetch)).find((each) => each.name === name);
    expect(entity?.fields.map((field) => field.name)).toContain(entity?.keyField);
    expect(entity?.fields.length).toBeGreaterThan(1);
  });

  it('asks for its metadata once', async () => {
    const { source, fetch } = get();
    expect(await source.entities(fetch)).toBe(await source.entities(fetch));
  });

  it('refuses an unknown entity, and names the nearest', async () => {
    const { nearEntity, entity } = get();
    const error = await refusal(nearEntity);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({
      code: 'unknown-entity',
      message: expect.stringContaining(`Did you mean "${entity}"?`),
    });
  });

  it('refuses an unknown field, in the selection and in the filter', async () => {
    const { entity, field, unknownFilter } = get();
    const near = `${field}x`;
    expect(await refusal(entity, { select: [near] })).toMatchObject({
      code: 'unknown-field',
      message: expect.stringContaining(`Did you mean "${field}"?`),
    });
    expect(await refusal(entity, { filter: unknownFilter })).toMatchObject({ code: 'unknown-field' });
  });

  it.each(['', '{', '{"a":1}{', 'null', '[]', '"\\ud800"'])(
    'rejects the kept row %j, and does not throw',
    async (text) => {
      const { source, fetch, entity } = get();
      const row = source.normalise(await source.check(fetch, entity, everything), text);
      expect(row).toMatchObject({ reason: expect.stringMatching(/^[a-z-]+$/), detail: expect.any(String), text });
    },
  );

  it('follows no relations where none are asked for, and refuses those that lead nowhere', async () => {
    const { source, fetch, entity: name } = get();
    const entity = await source.check(fetch, name, everything);
    expect(await source.relate(fetch, entity, [])).toEqual([]);
    await expect(source.relate(fetch, entity, ['leads-nowhere'])).rejects.toBeInstanceOf(UsageError);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses to harvest %d records', async (maxRecords) => {
    expect(await refusal(get().entity, { maxRecords })).toBeInstanceOf(UsageError);
  });
}
