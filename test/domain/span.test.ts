import { describe, expect, it } from 'vitest';
import { cutSpan, findGap, type Span } from '../../src/domain/span.ts';

describe('cutSpan', () => {
  it.each<[Span, number, Span[]]>([
    [
      { after: 0, upto: 10 },
      2,
      [
        { after: 0, upto: 5 },
        { after: 5, upto: 10 },
      ],
    ],
    [
      { after: 0, upto: 3 },
      10,
      [
        { after: 0, upto: 1 },
        { after: 1, upto: 2 },
        { after: 2, upto: 3 },
      ],
    ],
    [{ after: -5, upto: -3 }, 1, [{ after: -5, upto: -3 }]],
    [{ after: 7, upto: 7 }, 3, []],
    [{ after: 0, upto: 10 }, 0, [{ after: 0, upto: 10 }]],
    [{ after: 0, upto: 10 }, 1.9, [{ after: 0, upto: 10 }]],
  ])('cuts %o into at most %d parts', (span, parts, expected) => {
    expect(cutSpan(span, parts)).toEqual(expected);
  });

  it.each([1, 2, 3, 7, 10, 99, 5000])('leaves no gap and no overlap with %i parts of nearly equal width', (parts) => {
    const whole = { after: -17, upto: 1_207_003 };
    const cut = cutSpan(whole, parts);
    expect(cut).toHaveLength(parts);
    expect(findGap(whole, cut)).toBeNull();
    const widths = cut.map((span) => span.upto - span.after);
    expect(Math.max(...widths) - Math.min(...widths)).toBeLessThanOrEqual(1);
  });

  it('stays exact near the largest safe number', () => {
    const whole = { after: 0, upto: Number.MAX_SAFE_INTEGER };
    expect(findGap(whole, cutSpan(whole, 13))).toBeNull();
  });
});

describe('findGap', () => {
  const whole = { after: 0, upto: 10 };

  it('takes parts in any order', () => {
    expect(
      findGap(whole, [
        { after: 4, upto: 10 },
        { after: 0, upto: 4 },
      ]),
    ).toBeNull();
  });

  it.each<[string, Span[], Span]>([
    [
      'in the middle',
      [
        { after: 0, upto: 4 },
        { after: 5, upto: 10 },
      ],
      { after: 4, upto: 5 },
    ],
    ['at the beginning', [{ after: 2, upto: 10 }], { after: 0, upto: 2 }],
    ['at the end', [{ after: 0, upto: 9 }], { after: 9, upto: 10 }],
    [
      'that is an overlap',
      [
        { after: 0, upto: 6 },
        { after: 5, upto: 10 },
      ],
      { after: 5, upto: 6 },
    ],
    ['that is everything', [], whole],
  ])('finds a gap %s', (_where, parts, gap) => {
    expect(findGap(whole, parts)).toEqual(gap);
  });

  it('finds none in an empty span without parts', () => {
    expect(findGap({ after: 0, upto: 0 }, [])).toBeNull();
  });
});
