import { expect, it } from 'vitest';
import { accessibilityFaults, describeInBrowser, widerThanWindow } from '../../support/browser.ts';
import { startServedFleet } from '../setup.ts';

const PHONE = { width: 360, height: 740 };

describeInBrowser('the page of schedules', (openPage) => {
  it('makes a schedule and runs it, on a phone and without JavaScript', async () => {
    const fleet = await startServedFleet();
    await fleet.startWorker();
    const page = await openPage(`${fleet.url}/schedules`, { javaScriptEnabled: false, viewport: PHONE });
    await page.getByText('Make a schedule').click();
    await page.getByLabel('Name').fill('nightly-votes');
    await page.getByLabel('When: minute').fill('61 * * * *');
    await page.getByLabel('Datasets').fill('oda/Afstemning');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.locator('#error-cron', { hasText: 'not a cron expression' }).waitFor();
    expect(await page.getByLabel('Name').inputValue()).toBe('nightly-votes');

    await page.getByLabel('When: minute').fill('30 2 * * *');
    await page.getByLabel('Time zone').fill('Europe/Copenhagen');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByText('Schedule nightly-votes is added.').waitFor();
    expect(await page.locator('.times li').count()).toBe(3);
    await page.getByRole('button', { name: 'Run now: nightly-votes' }).click();
    await page.getByText('is fired').waitFor();
    const isComplete = async () => {
      await page.goto(`${fleet.url}/schedules`);
      return page.locator('.state.complete').count();
    };
    await expect.poll(isComplete, { timeout: 20_000, interval: 300 }).toBe(1);
    expect(await widerThanWindow(page)).toEqual([]);
  });

  it('has no fault that axe finds, with its form open and refused', async () => {
    const fleet = await startServedFleet();
    const page = await openPage(`${fleet.url}/schedules`, { colorScheme: 'dark' });
    await page.getByText('Make a schedule').click();
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('Name').fill('Nightly votes');
    await page.getByLabel('When: minute').fill('often');
    await page.getByLabel('Datasets').fill('oda/Afstemning');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.locator('#error-name').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
  });
});
