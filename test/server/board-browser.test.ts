import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { PASSWORD, startGuardedFleet } from './security/setup.ts';

const CHROMIUM = '/usr/bin/chromium';

async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  onTestFinished(() => browser.close());
  return browser;
}

/** What the browser complains of, and what it asks of others than our server. */
function troublesOf(page: Page, url: string): string[] {
  const troubles: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) troubles.push(`asked for ${request.url()}`);
  });
  return troubles;
}

async function signInAt(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

it.runIf(existsSync(CHROMIUM))(
  'the queues and the API’s page work in a browser, without a complaint of it',
  async () => {
    const fleet = await startGuardedFleet();
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    const page = await (await openBrowser()).newPage();
    page.setDefaultTimeout(10_000);
    const troubles = troublesOf(page, fleet.url);
    await page.goto(`${fleet.url}/board/queue/sheaf-slices?status=waiting`);
    await signInAt(page, 'ada');
    await page.getByText(`${run}_1_0_0`).first().waitFor();
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'PUT'),
      pauseQueue(page),
    ]);
    expect(answer.status()).toBe(200);
    await page.getByText(`${run}_1_0_0`).first().click();
    await page.getByText('jobData').first().waitFor();

    await page.goto(`${fleet.url}/api/docs`);
    await page.getByText('List runs').first().waitFor();
    await page.goto(`${fleet.url}/`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(troubles).toEqual([]);
  },
);

/** By the menu of the queue. */
async function pauseQueue(page: Page): Promise<void> {
  await page.locator('button[aria-haspopup="menu"]').last().click();
  await page.getByRole('menuitem', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Confirm' }).click();
}
