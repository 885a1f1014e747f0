import { expect, it } from 'vitest';
import { createIdleSlots } from '../../src/workers/idle-slots.ts';

it('a slot is idle when it has had nothing to do for a while, and nothing was given away for it', () => {
  let now = 0;
  const slots = createIdleSlots(2, () => now);
  const leave = slots.take();
  slots.take();
  now = 1_000;
  expect(slots.count()).toBe(0);
  leave();
  expect(slots.count()).toBe(0);
  now += 250;
  expect(slots.count()).toBe(1);
  slots.given();
  expect(slots.count()).toBe(0);
  now += 250;
  expect(slots.count()).toBe(1);
});
