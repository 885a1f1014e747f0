import { expect, it } from 'vitest';
import { drawLine, niceTop, renderPlot } from '../../../src/server/pages/plot.ts';

it('draws through the middles of the stretches, level at both ends', () => {
  expect(drawLine([0, 50, 100], 100)).toBe('M0 100L100 100L300 50L500 0H600');
  expect(drawLine([50], 100)).toBe('M0 50L300 50H600');
});

it('breaks the line where nothing is known', () => {
  expect(drawLine([10, null, 10], 10)).toBe('M0 0L100 0h100M500 0H600');
});

it('ends the axis at a number that can be read', () => {
  expect([0, 0.3, 1, 7, 12, 480, 1_001].map(niceTop)).toEqual([1, 0.5, 1, 10, 20, 500, 2_000]);
});

it('says what it shows, and trusts no word of it', () => {
  const figure = renderPlot({
    title: 'Records <a second>',
    told: '5 on average',
    values: [5],
    format: String,
    ends: ['0', '2 s'],
    kind: 'amount',
  });
  expect(figure).toContain('aria-label="Records &#60;a second&#62;: 5 on average"');
});
