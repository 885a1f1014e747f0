import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCompany } from '../../src/workers/company.ts';

/** Writes down who is at work, in the order in which they get in. */
function setUp() {
  const company = createCompany();
  const entered: string[] = [];
  const enter = (name: string, isAlone = false) =>
    (isAlone ? company.beAlone() : company.joinOthers()).then((leave) => {
      entered.push(name);
      return leave;
    });
  return { entered, enter };
}

describe('company', () => {
  it('lets any number work side by side', async () => {
    const { entered, enter } = setUp();
    await Promise.all([enter('a'), enter('b'), enter('c')]);
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  it('lets one be alone once those at work have ended, and keeps others out meanwhile', async () => {
    const { entered, enter } = setUp();
    const leaveA = await enter('a');
    const alone = enter('alone', true);
    const later = enter('later');
    await turn();
    expect(entered).toEqual(['a']);
    leaveA();
    const leaveAlone = await alone;
    await turn();
    expect(entered).toEqual(['a', 'alone']);
    leaveAlone();
    await later;
    expect(entered).toEqual(['a', 'alone', 'later']);
  });

  it('never lets two be alone at once, nor starve the others', async () => {
    const { entered, enter } = setUp();
    const first = enter('first', true);
    const second = enter('second', true);
    const other = enter('other');
    (await first)();
    (await second)();
    (await other)();
    expect(entered).toEqual(['first', 'second', 'other']);
  });

  it('takes leaving twice as leaving once', async () => {
    const { entered, enter } = setUp();
    const leave = await enter('a');
    await enter('b');
    leave();
    leave();
    const alone = enter('alone', true);
    await turn();
    expect(entered).toEqual(['a', 'b']);
    void alone;
  });
});
