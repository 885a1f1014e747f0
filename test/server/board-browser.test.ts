import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { PASSWORD, startGuardedFleet } from './security/setup.ts';

const CHROMIUM = '/usr/bin/chromium';

async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  onTestFinished(() => browser.close());
  return browser;
}

it.runIf(existsSync(CHROMIUM))('works in a browser under its content security policy, and leads back', async () => {
  const fleet = await startGuardedFleet();
  await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const page = await (await openBrowser()).newPage();
  const troubles: string[] = [];
  const foreign: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(fleet.url)) foreign.push(request.url());
  });
  await page.goto(`${fleet.url}/board/queue/sheaf-slices`);
  await page.getByLabel('Name').fill('ada');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.screenshot({ path: '/tmp/signin.png' });
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('sheaf-finalise').first().waitFor();
  console.log(troubles, foreign, page.url());
  await page.screenshot({ path: '/tmp/board.png' });
  console.log(await page.locator('button').evaluateAll((all) => all.map((b) => `${b.getAttribute('aria-label')}|${b.getAttribute('title')}|${b.textContent}`)));
  console.log(await page.locator('a').evaluateAll((all) => all.map((b) => `${b.getAttribute('href')}|${b.textContent}`)));
  await page.goto(`${fleet.url}/api/docs`);
  await page.waitForTimeout(2000);
  await page.screenshot({ path: '/tmp/docs.png' });
  console.log(troubles);
  await page.goto(`${fleet.url}/`);
  await page.waitForTimeout(1000);
  await page.screenshot({ path: '/tmp/runs.png' });
  expect({ troubles, foreign }).toEqual({ troubles: [], foreign: [] });
});
