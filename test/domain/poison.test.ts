import { describe, expect, it } from 'vitest';
import { isSuspect, poisonError } from '../../src/domain/poison.ts';

describe('a slice whose workers die', () => {
  it('is suspect after two, and then worked alone', () => {
    expect([0, 1, 2, 3].map(isSuspect)).toEqual([false, false, true, true]);
  });

  it('is set aside with what is known of it', () => {
    const facts = { slice: 7, deaths: 3, cursor: 1_200, host: 'barn', pid: 42 };
    expect(poisonError(facts)).toEqual({
      code: 'poison-slice',
      message:
        'slice 7 was set aside: 3 workers died in a row at the page after 1200, the last one on barn (pid 42). ' +
        'See why they died, then `sheaf retry` the run',
      facts,
    });
    expect(poisonError({ ...facts, cursor: null }).message).toContain('at its first page');
  });
});
