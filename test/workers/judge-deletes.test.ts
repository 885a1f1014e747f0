import { describe, expect, it } from 'vitest';
import { whyWithheld } from '../../src/workers/judge-deletes.ts';

describe('records that a sweep did not see', () => {
  it('are marked as deleted up to the share, and not above it', () => {
    expect(whyWithheld({ live: 100, missing: 20, unnamed: 0 }, 0.2, 'harvest again')).toBeNull();
    expect(whyWithheld({ live: 100, missing: 21, unnamed: 0 }, 0.2, 'harvest again')).toMatch(
      /^21 of 100 records \(21 %\) were not seen, more than the 20 % .*--max-deletes, here 21 or more$/,
    );
    expect(whyWithheld({ live: 3, missing: 3, unnamed: 0 }, 1, 'harvest again')).toBeNull();
    expect(whyWithheld({ live: 3, missing: 1, unnamed: 0 }, 0, 'harvest again')).toMatch('33.3 %');
  });

  it('are left alone as long as a row without a readable key may be one of them', () => {
    expect(whyWithheld({ live: 100, missing: 1, unnamed: 1 }, 0.2, 'harvest again')).toMatch(/without a key/);
    expect(whyWithheld({ live: 100, missing: 0, unnamed: 1 }, 0.2, 'harvest again')).toBeNull();
  });

  it('are to be judged anew by the command that asked', () => {
    expect(whyWithheld({ live: 4, missing: 2, unnamed: 0 }, 0.2, 'repair again')).toContain(
      'repair again with a higher',
    );
    expect(whyWithheld({ live: 4, missing: 2, unnamed: 1 }, 0.2, 'repair again')).toMatch(/well, repair again$/);
  });

  it('may be none', () => {
    expect(whyWithheld({ live: 0, missing: 0, unnamed: 0 }, 0, 'harvest again')).toBeNull();
  });
});
