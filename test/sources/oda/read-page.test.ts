import { describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../../src/domain/errors.ts';
import { readPage } from '../../../src/sources/oda/read-page.ts';
import type { PagePosition } from '../../../src/sources/source.ts';
import { entityOf, everything, textOf } from '../setup.ts';

const query = { entity: entityOf(), selection: everything };
const position: PagePosition = { strategy: 'keyset', span: { after: 0, upto: 1000 }, cursor: 0, pageSize: 3 };
const offset: PagePosition = { ...position, strategy: 'offset', span: { after: 0, upto: 10 } };
const row = (id: number) => `{"id":${id}}`;

function body(rows: readonly (string | number)[], extra = ''): string {
  return `{"odata.metadata":"x","value":[${rows.map((each) => (typeof each === 'number' ? row(each) : each)).join(',')}]${extra}}`;
}
const nextLink = ',"odata.nextLink":"http://x/y"';

function read(text: string, at: Partial<PagePosition> = {}) {
  return readPage(query, { ...position, ...at }, Buffer.from(text));
}

function refusal(text: string, at: Partial<PagePosition> = {}): unknown {
  try {
    return read(text, at);
  } catch (error) {
    return error;
  }
}

const keysOf = (text: string, at: Partial<PagePosition> = {}) => read(text, at).records.map(({ key }) => key);

describe('where a keyset goes on', () => {
  it.each([
    ['after a full page with a next-link: behind its last key', body([1, 2, 3], nextLink), 3],
    ['after a short page with a next-link: behind its last key', body([1, 2], nextLink), 2],
    ['after a full page without a next-link: one request more will tell', body([1, 2, 3]), 3],
    ['after a page fuller than expected: the same', body([1, 2, 3, 4, 5]), 5],
    ['after a short page without a next-link: nowhere', body([1, 2]), null],
    ['after an empty page: nowhere', body([]), null],
    ['after an empty page, whatever its next-link says: nowhere', body([], nextLink), null],
    ['after the last key of the span: nowhere', body([1, 2, 1000], nextLink), null],
    ['after an empty next-link: as without one', body([1, 2], ',"odata.nextLink":""'), null],
  ])('%s', (_when, text, next) => {
    expect(read(text).next).toBe(next);
  });

  it('passes over rejects to the last key that can be read', () => {
    const page = read(body([1, '{"navn":"x"}', 2, '{}'], nextLink));
    expect(page).toMatchObject({ received: 4, next: 2 });
  });

  it('leaves rejects behind that key to the page that brings them again, and keeps them on the last page', () => {
    const rows = [1, '{"navn":"x"}', 2, '{"navn":"y"}', '{"navn":"z"}'];
    const names = (text: string) => read(text, { pageSize: 9 }).rejects.map((reject) => JSON.parse(reject.text).navn);
    expect(names(body(rows, nextLink))).toEqual(['x']);
    expect(names(body(rows))).toEqual(['x', 'y', 'z']);
  });

  it('cannot be told from a page of rejects alone that is not the last', () => {
    expect(refusal(body(['{}', '{}'], nextLink))).toMatchObject({ name: 'PermanentError', code: 'cannot-advance' });
    expect(refusal(body(['{}', '{}', '{}']))).toMatchObject({ code: 'cannot-advance' });
    expect(read(body(['{}', '{}']))).toMatchObject({ received: 2, next: null });
  });
});

describe('where an offset goes on', () => {
  it.each([
    ['by as many rows as came', body([1, 2, 3]), 0, 3],
    ['by fewer than were asked for, where the source caps lower', body([1, 2]), 0, 2],
    ['by rejects too', body(['{}', '5']), 0, 2],
    ['nowhere at the end of the span', body([7]), 9, null],
    ['nowhere where nothing comes', body([], nextLink), 5, null],
  ])('%s', (_how, text, cursor, next) => {
    expect(read(text, { ...offset, cursor }).next).toBe(next);
  });

  it('leaves what comes behind the span to others', () => {
    const page = read(body([1, 2, 3]), { ...offset, cursor: 8 });
    expect(page).toMatchObject({ received: 2, next: null });
    expect(page.records.map(({ key }) => key)).toEqual(['1', '2']);
  });
});

describe('rows', () => {
  it('keep their text byte for byte', () => {
    const text = '{"id":1,"navn":"S\\u00f8ren \\/ 🧀","tal":1.10,"stort":12345678901234567890}';
    expect(read(body([text])).records.map(textOf)[0]).toBe(text);
  });

  it('that come twice are one record', () => {
    expect(keysOf(body([1, 2, 2]))).toEqual(['1', '2']);
    expect(keysOf(body([1, 2, 3, 2, 3]))).toEqual(['1', '2', '3']);
    expect(read(body([1, 2, 2])).received).toBe(3);
  });

  it('that come twice with different content are the later one', () => {
    const page = read(body([1, '{"id":2,"navn":"before"}', '{"id":2,"navn":"after"}']));
    expect(page.records.map(textOf)).toEqual([row(1), '{"id":2,"navn":"after"}']);
  });

  it.each([
    ['null', 'not-an-object'],
    ['[1]', 'not-an-object'],
    ['"x"', 'not-an-object'],
    ['{"id":null}', 'no-key'],
    ['{"id":1.5}', 'bad-key'],
    ['{"id":{"a":1}}', 'bad-key'],
  ])('that are no records are kept with their reason: %s', (text, reason) => {
    const page = read(body([1, text, 2]));
    expect(page.records.map(({ key }) => key)).toEqual(['1', '2']);
    expect(page.rejects).toMatchObject([{ reason, key: null, text }]);
  });

  it.each([
    ['below the cursor', [5, 6, 7], { cursor: 5 }],
    ['above the span', [5, 6, 1001], {}],
    ['beyond 2^53', ['{"id":"9223372036854775807"}'], { span: { after: 0, upto: Number.MAX_SAFE_INTEGER } }],
  ])('with a key %s show that the source ignored the range', (_where, rows, at) => {
    const error = refusal(body(rows), at);
    expect(error).toBeInstanceOf(PermanentError);
    expect(error).toMatchObject({ code: 'filter-ignored' });
  });

  it('out of order show that the source ignored the order', () => {
    for (const at of [position, offset]) {
      const error = refusal(body([1, 3, 2]), at);
      expect(error).toBeInstanceOf(PermanentError);
      expect(error).toMatchObject({ code: 'order-ignored', facts: { key: '2' } });
    }
  });

  it("may come in any order where keys are texts, whose order is the collation's", () => {
    const entity = entityOf({ fields: [{ name: 'id', type: 'text', isNullable: false }] });
    const page = readPage({ ...query, entity }, offset, Buffer.from(body(['{"id":"b"}', '{"id":"A"}'])));
    expect(page.records.map(({ key }) => key)).toEqual(['b', 'A']);
  });

  it('that certainly do not match show that the source ignored the filter', () => {
    const filtered = { ...query, selection: { ...everything, filter: 'typeid eq 5' } };
    const good = body(['{"id":1,"typeid":5}', '{"id":2}', '{}']);
    expect(readPage(filtered, position, Buffer.from(good)).records).toHaveLength(2);
    const bad = body(['{"id":1,"typeid":5}', '{"id":2,"typeid":6}']);
    expect(() => readPage(filtered, position, Buffer.from(bad))).toThrow(
      expect.objectContaining({ code: 'filter-ignored' }),
    );
  });
});

describe('a body', () => {
  it.each([
    ['empty', ''],
    ['HTML', '<!DOCTYPE html><html></html>'],
    ['cut short', body([1, 2]).slice(0, -8)],
    ['followed by something', `${body([1])}x`],
    ['with a number that is none', '{"value":[{"id":NaN}]}'],
  ])('that is %s is not JSON', (_what, text) => {
    const error = refusal(text);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ code: 'not-json' });
  });

  it.each([
    '{"error":{"message":"Something went wrong."}}',
    '{"odata.error":{"code":"","message":{"lang":"en-US","value":"no"}}}',
    '{"value":{"id":1}}',
    '{"value":null}',
    '{"value":"[]"}',
    '{"id":1,"navn":"a single entity"}',
    '[{"id":1}]',
    'null',
    '5',
    '{"value":[{"id":1}],"value":{}}',
  ])('that is no collection is told from one: %s', (text) => {
    const error = refusal(text);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ code: 'not-a-collection', message: expect.stringContaining(text.slice(0, 40)) });
  });

  it('may be spread over lines, and its records are on one', () => {
    expect(read('{\r\n "value": [\n  { "id": 1,\n    "navn": "a b" }\n ]\n}').records.map(textOf)[0]).toBe(
      '{"id":1,"navn":"a b"}',
    );
  });

  it('counts the last of two values, as JSON.parse does', () => {
    expect(keysOf('{"value":[{"id":1}],"value":[{"id":2}]}')).toEqual(['2']);
  });
});
