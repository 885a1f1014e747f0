import { expect, it } from 'vitest';
import { columnsFor, drawSlices, packStates, unpackStates } from '../../../../src/server/pages/assets/slice-map.js';
import { renderSliceLegend, renderSliceMap } from '../../../../src/server/pages/run/slice-map.ts';

it('draws a shape of its own for each state, in the order of the slices', () => {
  const { paths, width, height } = drawSlices('dwpf');
  expect([width, height]).toEqual([40, 10]);
  expect(paths.d).toBe('M1 1h8v8h-8z');
  expect(paths.w).toBe('M15 1l4 4-4 4-4-4z');
  expect(paths.p).toBe('M23 3h4v4h-4z');
  expect(paths.f).toMatch(/^M31 2.5l/);
});

it('begins a new row where the last is full', () => {
  const columns = columnsFor(5_000);
  expect(columns).toBeGreaterThan(100);
  expect(drawSlices('d'.repeat(columns + 1)).paths.d).toContain(`M1 11h8`);
});

it('packs states small, and unpacks them as they were', () => {
  for (const states of ['', 'd', 'dddwpf', 'd'.repeat(5_000), 'dwdwdw'])
    expect(unpackStates(packStates(states))).toBe(states);
  expect(packStates('dddwp')).toBe('3dwp');
});

it('says in words how the slices stand', () => {
  expect(renderSliceLegend('ddwf')).toMatch(
    /<b>2<\/b> done.*<b>1<\/b> being worked.*<b>0<\/b> waiting.*<b>1<\/b> failed/s,
  );
  expect(renderSliceMap('')).toContain('role="img"');
});
