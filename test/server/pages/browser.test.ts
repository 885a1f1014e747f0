import { expect, it, onTestFinished } from 'vitest';
import { launchRun } from '../../../src/runtime/harvest.ts';
import { hashPassword } from '../../../src/server/security/credentials.ts';
import { inlineData } from '../../../src/twin/twin-data.ts';
import { startStoreProxy } from '../../faults/store-proxy.ts';
import { accessibilityFaults, describeInBrowser, widerThanWindow } from '../../support/browser.ts';
import { freshDatabaseUrl } from '../../support/database.ts';
import { range, votes } from '../../support/rows.ts';
import { startServedFleet } from '../setup.ts';

const PHONE = { width: 360, height: 740 };
const many = { dataset: inlineData({ Afstemning: votes(range(1, 4_000)) }), latencyMs: 150 };
const unwell = { fault: { kind: 'status', status: 404 } } as const;

describeInBrowser('the pages', (openPage) => {
  it('start a run, show it live from start to end, and what came of it', async () => {
    const fleet = await startServedFleet({ twin: many });
    const page = await openPage(fleet.url);
    await page.getByText('Start a harvest').click();
    await page.getByLabel('Dataset').first().fill('oda/Afstemning');
    expect(await page.getByLabel('csv').isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Start', exact: true }).click();

    await page.getByText('The harvest is planned and handed to the workers.').waitFor();
    await page.locator('#connection', { hasText: 'Live' }).waitFor();
    const address = page.url();
    expect(address).not.toContain('done'); // loaded again, it would tell that once more
    await page.getByText('No worker holds a slice of this run.').waitFor();
    const done = page.locator('.legend li', { hasText: 'done' }).locator('b');
    expect(await done.textContent()).toBe('0');
    expect(await accessibilityFaults(page)).toEqual([]);
    await fleet.startWorker(4); // from here on, only the live view can tell
    await expect.poll(async () => Number(await done.textContent()), { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await page.locator('path[data-letter="d"]').getAttribute('d')).not.toBe('');

    await page.locator('.state.complete').waitFor();
    await page.getByText('Proved complete.').waitFor();
    await page.getByText('The run has ended.').waitFor();
    const { rows } = await fleet.context.database.pool.query('select slice_count as count from sheaf.runs');
    expect(await done.textContent()).toBe(String(rows[0]?.count));
    expect(await page.locator('.message').count()).toBe(0); // what was told at the start is over
    expect(page.url()).toBe(address); // it was never loaded again
    expect(await page.locator('.chart svg[role=img]').count()).toBe(2);
    expect(await page.locator('.files a').count()).toBe(2);
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('cancel a run after asking, and retry what failed, without JavaScript', async () => {
    const fleet = await startServedFleet({ twin: { ...many, latencyMs: 0 } });
    const waiting = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    const page = await openPage(`${fleet.url}/runs/${waiting}`, { javaScriptEnabled: false });
    expect(await page.getByRole('button', { name: 'Retry', exact: true }).isDisabled()).toBe(true);
    await page.getByText('Cancel …').click();
    await page.getByRole('button', { name: 'Cancel this run' }).click();
    await page.getByText('The run is cancelled.').waitFor();
    await page.locator('.state.cancelled').waitFor();

    const failing = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    fleet.twin.setBehaviour({ faults: [unwell] });
    await fleet.startWorker();
    await fleet.ended(failing);
    fleet.twin.setBehaviour({ faults: [] });
    await page.goto(`${fleet.url}/runs/${failing}`);
    await page.getByRole('heading', { name: 'Errors' }).waitFor();
    expect(await page.locator('.errors').textContent()).toContain('http-404');
    await page.getByRole('button', { name: 'Retry failed slices' }).click();
    expect((await fleet.ended(failing)).state).toBe('complete');
  });

  it('pause and resume a run while it is looked at', async () => {
    const fleet = await startServedFleet({ twin: many });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    const page = await openPage(`${fleet.url}/runs/${run}`);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('.state.paused').waitFor();
    await page.getByText('No worker holds a slice of this run: it is paused.').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('.state.fetching').waitFor();
    await page.getByRole('heading', { name: 'Who did what' }).waitFor();
    expect(await page.locator('.deeds').textContent()).toMatch(/resume.*pause/s);
  });

  it('show a run that somebody else starts in the list at once', async () => {
    const fleet = await startServedFleet();
    const page = await openPage(fleet.url);
    await page.locator('#connection', { hasText: 'Live' }).waitFor();
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    await page.getByRole('link', { name: run }).waitFor();
    await fleet.startWorker();
    await page.locator('.state.complete').waitFor();
  });

  it('fit a phone, and have no fault that axe finds', async () => {
    const fleet = await startServedFleet();
    const { run } = await fleet.harvest('oda/Afstemning');
    const page = await openPage(fleet.url, { viewport: PHONE });
    for (const path of ['/', `/runs/${run}`, '/datasets', '/datasets/oda/Afstemning', '/schedules']) {
      await page.goto(`${fleet.url}${path}`);
      expect(await widerThanWindow(page), path).toEqual([]);
      expect(await accessibilityFaults(page)).toEqual([]);
    }
  });

  it('show a record as one line, and all of it when it is unfolded', async () => {
    const fleet = await startServedFleet();
    await fleet.harvest('oda/Afstemning');
    const page = await openPage(`${fleet.url}/datasets/oda/Afstemning`, { viewport: PHONE });
    const record = page.locator('.records summary').first();
    const height = async () => (await record.boundingBox())?.height ?? 0;
    const before = await height();
    await record.click();
    expect(await height()).toBeGreaterThan(before * 1.5);
    const scrolled =
      'document.querySelectorAll(".scroll").values().filter((e) => e.scrollWidth > e.clientWidth).toArray().length';
    expect(await page.evaluate(scrolled)).toBe(0);
  });

  it('say that the database is away, and go on when it is back', async () => {
    const proxy = await startStoreProxy({ kind: 'postgres', url: await freshDatabaseUrl() });
    onTestFinished(() => proxy.stop());
    const fleet = await startServedFleet({ environment: { DATABASE_URL: proxy.url } });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    const page = await openPage(`${fleet.url}/runs/${run}`);
    await page.locator('#connection', { hasText: 'Live' }).waitFor();
    proxy.cut(3_000);
    const answer = await fetch(`${fleet.url}/runs/${run}`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('The database is away');
    await page.getByText('The database is away. What is shown is how it was.').waitFor();
    await page.locator('#connection', { hasText: 'Live' }).waitFor();
  });

  it('let a viewer sign in and look, and nothing else', async () => {
    const entry = `eve:viewer:${await hashPassword('a quiet meadow')}`;
    const fleet = await startServedFleet({ environment: { SHEAF_ACCESS: entry } });
    const { run } = await fleet.harvest('oda/Afstemning');
    const page = await openPage(`${fleet.url}/runs/${run}`, { viewport: PHONE });
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('Name').fill('eve');
    await page.getByLabel('Password').fill('a quiet meadow');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Proved complete.').waitFor();
    expect(await page.getByRole('button', { name: 'Retry' }).count()).toBe(0);
    expect(await widerThanWindow(page)).toEqual([]);
    const form = await page.evaluate(`fetch('/runs', { method: 'POST' }).then(({ status }) => status)`);
    expect(form).toBe(403);
    await page.goto(fleet.url);
    expect(await page.getByText('Start a harvest').count()).toBe(0);
  });
});
