import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/domain/errors.ts';
import { checkFilterNames, parseFilter } from '../../../src/sources/oda/filter.ts';
import { evaluate } from '../../../src/sources/oda/filter-evaluate.ts';
import { entityOf } from '../setup.ts';

const entity = entityOf();

function check(filter: string): unknown {
  try {
    checkFilterNames(parseFilter(filter), entity, filter);
    return null;
  } catch (error) {
    return error;
  }
}

describe('a filter', () => {
  it.each([
    'id eq 1',
    ' id  ge -5 and\tnot (typeid ne 3L) ',
    "substringof('a''b', navn) eq true",
    "startswith(tolower(navn), 'æ') or endswith(navn, '')",
    "opdateringsdato ge datetime'2025-01-01T00:00:00'",
    "opdateringsdato lt datetime'2025-01-01'",
    'year(opdateringsdato) eq 2025 and month(startdato) le 12',
    "Aktørtype/type eq 'Person'",
    'Stemme/any()',
    'Stemme/any(s: s/typeid eq 1 and s/Afstemning/vedtaget eq true)',
    'Stemme/all(s: s/id gt id)',
    'Aktørtype eq null',
    'navn eq null or aktiv',
    '(id add 1) mul 2 sub -3 div 4 mod 5 gt 1.5e3M',
    "navn eq guid'00000000-0000-0000-0000-000000000000'",
    'substring(navn, 1) eq substring(navn, 1, 2)',
    "navn eq 'and or not ( '",
  ])('is taken: %s', (filter) => {
    expect(check(filter)).toBeNull();
  });

  it.each([
    ['', 1],
    ['id eq', 6],
    ['id eq 1 and', 12],
    ['id eq 1 typeid', 9],
    ['(id eq 1', 9],
    ['id eq 1)', 8],
    ['id = 1', 4],
    ["navn eq 'x", 9],
    ['navn eq "x"', 9],
    ['id eq 12abc', 7],
    ['eq 1', 4],
    ['id eq eq 1', 10],
    ["opdateringsdato gt datetime'2025-02-30T00:00:00'", 20],
    ["opdateringsdato gt datetime'yesterday'", 20],
    ['length(navn, 1) eq 1', 1],
    ['Stemme/any(s) eq 1', 13],
    ['Stemme/ eq 1', 12],
    ['navn/length eq 1', 1],
    ['id eq 1; drop', 8],
  ])('%s is refused, with the position of what is wrong', (filter, position) => {
    const error = check(filter);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ code: 'bad-filter', facts: { position } });
  });

  it.each([
    ['nvn eq 1', 'unknown-field', 'Did you mean "navn"?'],
    ["substringof('a', Navn)", 'unknown-field', 'Did you mean "navn"?'],
    ['not (id eq 1 or (xyzzy lt 2))', 'unknown-field', 'It has: id, navn, typeid'],
    ['Stem/any()', 'unknown-relation', 'It has: Stemme, Aktørtype'],
    ['Aktortype/type eq 1', 'unknown-relation', 'Did you mean "Aktørtype"?'],
    ['Stemme/any(s: t/id eq 1)', 'unknown-relation', '"t"'],
    ['startwith(navn, 1)', 'unknown-function', 'Did you mean "startswith"?'],
    ["contains(navn, 'a')", 'unknown-function', "substringof('part', field)"],
  ])('%s is refused, with what exists and what is nearest', (filter, code, text) => {
    const error = check(filter);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(text) });
  });

  it('may be written with decomposed letters', () => {
    expect(check("Akt\u00f8rtype/type eq 'x'".normalize('NFD'))).toBeNull();
  });

  it.each([
    ['(', 5_000],
    ['not ', 5_000],
    ['-(', 5_000],
    ['startswith(', 5_000],
  ])('of %s without end is refused without exhausting the stack', (part, times) => {
    expect(check(part.repeat(times))).toMatchObject({ code: 'bad-filter' });
  });
});

describe('a filter judged on a record', () => {
  const record = {
    id: 7,
    navn: 'Søren',
    typeid: null,
    aktiv: true,
    tal: 1.5,
    stort: 2 ** 53,
    startdato: '2025-01-01T00:00:00',
    opdateringsdato: '2025-03-04T05:06:07.467',
    tom: '',
  };
  const judge = (filter: string) => evaluate(parseFilter(filter), record);

  it.each([
    'id eq 7',
    'id eq 7L',
    '7 ge id',
    'id gt 6 and id lt 8',
    'id eq 1 or id eq 7',
    'not (id eq 1)',
    "navn eq 'Søren'",
    "navn ne 'Mette'",
    "substringof('øre', navn)",
    "substringof('øre', navn) eq true",
    "startswith(navn, 'Sø') and endswith(navn, 'ren')",
    "tolower(navn) eq 'søren'",
    'typeid eq null',
    'aktiv',
    'aktiv ne false',
    "startdato eq datetime'2025-01-01T00:00:00.000'",
    "startdato ge datetime'2025-01-01'",
    "opdateringsdato gt datetime'2025-03-04T05:06:07.46'",
    'year(opdateringsdato) eq 2025 and month(opdateringsdato) eq 3 and day(opdateringsdato) eq 4',
    'hour(opdateringsdato) eq 5 and minute(opdateringsdato) eq 6',
    'id eq 7 or Stemme/any()',
  ])('certainly matches: %s', (filter) => {
    expect(judge(filter)).toBe(true);
  });

  it.each([
    'id eq 8',
    'id gt 7',
    'id lt 8 and id ne 7',
    'not (id eq 7)',
    "navn eq 'Mette'",
    "navn ne 'Søren'",
    "substringof('xyz', navn)",
    "startswith(navn, 'M')",
    "endswith(navn, 'M')",
    "toupper(navn) eq 'METTE'",
    'typeid eq 3',
    'navn eq null',
    'typeid ne null',
    'aktiv eq false',
    "startdato gt datetime'2025-01-01T00:00:00'",
    "opdateringsdato lt datetime'2025-03-04T05:06:07.4'",
    'year(opdateringsdato) eq 2024',
    'id eq 8 and Stemme/any()',
    'not (aktiv or Stemme/any())',
  ])('certainly does not match: %s', (filter) => {
    expect(judge(filter)).toBe(false);
  });

  it.each([
    ['the case of letters, which the collation decides', "navn eq 'SØREN'"],
    ['accents', "navn eq 'Soren'"],
    ['trailing spaces', "navn eq 'Søren '"],
    ['å and aa', "substringof('å', 'Aalborg')"],
    ['the order of texts', "navn gt 'A'"],
    ['parts that differ in case', "startswith(navn, 'SØ')"],
    ['an empty part', "substringof('', navn)"],
    ['the same denied', "not (navn eq 'SØREN')"],
    ['null in an order', 'typeid gt 3'],
    ['null that is different', 'typeid ne 3'],
    ['a field that did not come', 'kategoriid eq 3'],
    ['another entity', "Aktørtype/type eq 'Person'"],
    ['any', 'Stemme/any()'],
    ['a number beyond 2^53', 'stort eq 1'],
    ['a fraction', 'tal eq 1.5'],
    ['arithmetic', 'id add 1 eq 9'],
    ['a moment within the precision of the source', "opdateringsdato lt datetime'2025-03-04T05:06:07.467'"],
    ['a moment written with other digits', "opdateringsdato eq datetime'2025-03-04T05:06:07.4666667'"],
    ['a text that is no moment', "navn gt datetime'2025-01-01'"],
    ['types that do not fit', "id eq '7'"],
    ['a literal of another type', "navn eq guid'00000000-0000-0000-0000-000000000000'"],
    ['something that is no yes or no', 'id'],
    ['a function that is not judged', "replace(navn, 'a', 'b') eq 'c'"],
    ['an unknown on the other side', 'id eq 7 and Stemme/any()'],
  ])('is left open for %s: %s', (_why, filter) => {
    expect(judge(filter)).toBeUndefined();
  });
});
