import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { describeInBrowser } from '../support/browser.ts';
import { PASSWORD, startGuardedFleet } from './security/setup.ts';

const TIMEOUT_MS = 60_000; // several pages of a large script, on a machine that has other things to do

/** What the browser asks of others than our server. */
function foreignRequests(page: Page, url: string): string[] {
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) foreign.push(request.url());
  });
  return foreign;
}

describeInBrowser('a browser, under the content security policy', (openPage) => {
  it(
    'shows the queues to whoever signs in, steers them, and shows the page of the API',
    async () => {
      const fleet = await startGuardedFleet();
      const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
      const page = await openPage(`${fleet.url}/board/queue/sheaf-slices?status=waiting`);
      const foreign = foreignRequests(page, fleet.url);
      await page.getByLabel('Name').fill('ada');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText(`${run}_1_0_0`).first().waitFor();
      const isChange = page.waitForResponse((response) => response.request().method() === 'PUT');
      await pauseQueue(page);
      expect((await isChange).status()).toBe(200);
      await page.getByText(`${run}_1_0_0`).first().click();
      await page.getByText('jobData').first().waitFor();

      await page.goto(`${fleet.url}/api/docs`);
      await page.getByText('List runs').first().waitFor();
      // The browser keeps a strict cookie back when a link of elsewhere is followed.
      await page.goto(`data:text/html,<a href="${fleet.url}/runs/${run}">a link in a mail</a>`);
      await page.getByText('a link in a mail').click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      expect(foreign).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

/** By the menu of the queue. */
async function pauseQueue(page: Page): Promise<void> {
  await page.locator('button[aria-haspopup="menu"]').last().click();
  await page.getByRole('menuitem', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Confirm' }).click();
}
