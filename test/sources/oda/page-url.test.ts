import { describe, expect, it } from 'vitest';
import { pagePath } from '../../../src/sources/oda/page-url.ts';
import { entityOf, everything } from '../setup.ts';

const entity = entityOf();
const keyset = { strategy: 'keyset' as const, span: { after: 10, upto: 99 }, cursor: 42, pageSize: 100 };
const offset = { ...keyset, strategy: 'offset' as const, span: { after: 0, upto: 250 }, cursor: 100 };
const decoded = (path: string) => decodeURIComponent(path);

describe('the path of a page', () => {
  it('asks a keyset for keys above the cursor, and leaves the page size to the source', () => {
    expect(pagePath({ entity, selection: everything }, keyset)).toBe(
      'Akt%C3%B8r?$filter=id%20gt%2042%20and%20id%20le%2099&$orderby=id',
    );
  });

  it('puts the filter in brackets, so that its "or" stays its own', () => {
    const selection = { ...everything, filter: "navn eq 'A&B' or id eq 1" };
    const path = pagePath({ entity, selection }, keyset);
    expect(path).not.toContain('A&B');
    expect(decoded(path)).toBe("Aktør?$filter=(navn eq 'A&B' or id eq 1) and id gt 42 and id le 99&$orderby=id");
  });

  it('asks a step for what was last changed within its window of time', () => {
    const window = { from: '2025-01-01T00:00:00', before: '2025-02-01T00:00:00', withUntimed: false };
    const selection = { ...everything, filter: 'typeid eq 1 or typeid eq 2' };
    const [from, before] = [
      `opdateringsdato ge datetime'${window.from}'`,
      `opdateringsdato lt datetime'${window.before}'`,
    ];
    expect(decoded(pagePath({ entity, selection, window }, keyset))).toBe(
      `Aktør?$filter=(typeid eq 1 or typeid eq 2) and ${from} and ${before} and id gt 42 and id le 99&$orderby=id`,
    );
    const untimed = { ...window, before: null, withUntimed: true };
    expect(decoded(pagePath({ entity, selection: everything, window: untimed }, offset))).toBe(
      `Aktør?$filter=(opdateringsdato eq null or (${from}))&$orderby=id&$skip=100&$top=100`,
    );
  });

  it('asks an offset for as many rows as a page holds, and for the last page only what is left', () => {
    expect(decoded(pagePath({ entity, selection: everything }, offset))).toBe('Aktør?$orderby=id&$skip=100&$top=100');
    expect(
      decoded(pagePath({ entity, selection: { ...everything, filter: 'id gt 1' } }, { ...offset, cursor: 200 })),
    ).toBe('Aktør?$filter=id gt 1&$orderby=id&$skip=200&$top=50');
  });

  it('asks for key and timestamp along with what is selected, each once', () => {
    const selection = { ...everything, select: ['navn', 'id', 'navn'] };
    expect(decoded(pagePath({ entity, selection }, offset))).toContain('$select=id,opdateringsdato,navn&');
    const timeless = entityOf({ timestampField: null });
    expect(decoded(pagePath({ entity: timeless, selection }, offset))).toContain('$select=id,navn&');
  });

  it('encodes names of keys, and marks 64-bit literals', () => {
    const wide = entityOf({ keyField: 'mødeid', fields: [{ name: 'mødeid', type: 'bigint', isNullable: false }] });
    const path = pagePath({ entity: wide, selection: everything }, keyset);
    expect(decoded(path)).toBe('Aktør?$filter=mødeid gt 42L and mødeid le 99L&$orderby=mødeid');
    expect(path).toMatch(/^[\x21-\x7e]+$/);
  });

  it('can ask for negative keys', () => {
    const position = { ...keyset, span: { after: -10, upto: -1 }, cursor: -10 };
    expect(decoded(pagePath({ entity, selection: everything }, position))).toContain('id gt -10 and id le -1');
  });
});
