import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { UsageError } from '../../../../src/domain/errors.ts';
import { encodeChange, type Picture, type Viewer, Watch } from '../../../../src/server/pages/live/watch.ts';

const picture = (changes: Partial<Picture> = {}): Picture => ({
  parts: { figures: '1 page' },
  states: 'wpp',
  isOver: false,
  ...changes,
});

/** A viewer that keeps what it is sent, while it takes anything. */
function createViewer() {
  const viewer = {
    events: [] as string[],
    isReady: true,
    wasSkipped: false,
    hasEnded: false,
    send: (event: string) => {
      if (viewer.isReady) viewer.events.push(event.split('\n')[0]?.slice('event: '.length) ?? '');
      else viewer.wasSkipped = true;
    },
    end: () => {
      viewer.hasEnded = true;
    },
  };
  return viewer satisfies Viewer;
}

/** Something to look at that the test changes; a look that is an error is thrown. */
function createScene(first: Picture) {
  const scene = { shows: first as Picture | Error, looks: 0, isEmpty: false, failures: [] as unknown[] };
  const look = async () => {
    scene.looks++;
    if (scene.shows instanceof Error) throw scene.shows;
    return scene.shows;
  };
  const watch = new Watch(look, {
    onEmpty: () => {
      scene.isEmpty = true;
    },
    onFailure: (error) => scene.failures.push(error),
  });
  return { scene, watch };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('looks once a second however many watch, and not at all when nobody does', async () => {
  const { scene, watch } = createScene(picture());
  const viewers = Array.from({ length: 10 }, createViewer);
  for (const viewer of viewers) watch.add(viewer);
  await pass(3_500);
  expect(scene.looks).toBe(4);
  for (const viewer of viewers) watch.remove(viewer);
  expect(scene.isEmpty).toBe(true);
  await pass(10_000);
  expect(scene.looks).toBe(4);
});

it('tells everything at first, then only what has changed, and a newcomer everything at once', async () => {
  const { scene, watch } = createScene(picture());
  const viewer = createViewer();
  watch.add(viewer);
  await pass(2_500);
  scene.shows = picture({ states: 'dwp' });
  await pass(1_000);
  expect(viewer.events).toEqual(['state', 'change']);
  const newcomer = createViewer();
  watch.add(newcomer);
  expect(newcomer.events).toEqual(['state']);
});

it('leaves out what a slow viewer does not take, and tells it everything when it does again', async () => {
  const { scene, watch } = createScene(picture());
  const [slow, quick] = [createViewer(), createViewer()];
  watch.add(slow);
  watch.add(quick);
  await pass(100);
  slow.isReady = false;
  for (const states of ['wwp', 'dwp', 'ddp']) {
    scene.shows = picture({ states });
    await pass(1_000);
  }
  slow.isReady = true;
  await pass(1_000);
  expect(quick.events).toEqual(['state', 'change', 'change', 'change']);
  expect(slow.events).toEqual(['state', 'state']);
});

it('says when it cannot look, and tells everything when it can again', async () => {
  const { scene, watch } = createScene(picture());
  const viewer = createViewer();
  watch.add(viewer);
  await pass(100);
  scene.shows = new Error('Connection terminated unexpectedly');
  await pass(1_000);
  scene.shows = picture();
  await pass(2_000);
  expect(viewer.events).toEqual(['state', 'away', 'state']);
  expect(scene.failures).toEqual([]);
});

it('reports an error that is not the database’s once, and again after it had gone', async () => {
  const fault = new TypeError('run is undefined');
  const { scene, watch } = createScene(picture());
  watch.add(createViewer());
  for (const shows of [fault, picture(), fault]) {
    scene.shows = shows;
    await pass(10_000);
  }
  expect(scene.failures).toEqual([fault, fault]);
});

it('ends with what it looks at, or when that is gone', async () => {
  for (const last of [picture({ isOver: true }), new UsageError('There is no run x.', { code: 'unknown-run' })]) {
    const { scene, watch } = createScene(picture());
    const viewer = createViewer();
    watch.add(viewer);
    await pass(100);
    scene.shows = last;
    await pass(1_000);
    expect([viewer.hasEnded, scene.isEmpty]).toEqual([true, true]);
  }
});

it('lets viewers hear something while nothing happens', async () => {
  const { watch } = createScene(picture());
  const viewer = createViewer();
  watch.add(viewer);
  await pass(35_000);
  expect(viewer.events).toEqual(['state', 'beat', 'beat']);
});

it('sends parts and slices that differ, and no part of which only the time in words does', () => {
  const at = (words: string) => `<time datetime="2026-11-21T10:00:00Z">${words}</time>`;
  const before = picture({ parts: { summary: at('just now'), figures: '1 page' }, states: 'wp' });
  const after = picture({ parts: { summary: at('5 seconds ago'), figures: '2 pages' }, states: 'dwp' });
  const change = encodeChange(before, after);
  expect(JSON.parse(change?.split('data: ')[1] ?? '')).toEqual({
    parts: { figures: '2 pages' },
    changed: [
      [0, 'd'],
      [1, 'w'],
      [2, 'p'],
    ],
  });
  expect(encodeChange(after, { ...after, parts: { ...after.parts, summary: at('a minute ago') } })).toBeNull();
});
