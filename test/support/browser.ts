import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { findChromium } from './chromium.ts';

export type OpenPage = (url: string, options?: BrowserContextOptions) => Promise<Page>;

/**
 * A suite in a headless Chromium that all its tests share. Each page has a context of its own, and must not have written
 * an error to the console by the end of its test. Where Chromium is missing the suite is skipped, and fails in CI.
 */
export function describeInBrowser(name: string, suite: (openPage: OpenPage) => void): void {
  const path = findChromium();
  if (path === null) {
    const complaint = 'Chromium is not installed: the pages are NOT tested in a browser.';
    if (process.env['CI'] === undefined) {
      process.stderr.write(`${complaint}\n`);
      return void describe.skip(name, () => suite(neverOpened));
    }
    return void it(name, () => expect.fail(complaint));
  }
  describe(name, () => {
    let browser: Promise<Browser> | undefined;
    afterAll(async () => (await browser)?.close());
    suite(async (url, options) => {
      browser ??= chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
      const page = await (await browser).newPage(options ?? {});
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('console', (message) => {
        // A page that is refused is an error to the console, too; its test looks at what it says.
        const isRefusal = /the server responded with a status of 4\d\d/.test(message.text());
        if (message.type() === 'error' && !isRefusal) errors.push(message.text());
      });
      onTestFinished(async () => {
        await page.context().close();
        expect(errors).toEqual([]);
      });
      await page.goto(url);
      return page;
    });
  });
}

const neverOpened: OpenPage = () => Promise.reject(new Error('there is no browser'));

let axeSource: string | undefined;

/** What axe finds wrong with a page, a line each, in light and in dark. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  axeSource ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const faults: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
    for (const { id, nodes } of violations)
      faults.push(`${colorScheme}: ${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  }
  return faults;
}

/** What sticks out of the window, so that the page would have to be scrolled sideways; what scrolls by itself may. */
export async function widerThanWindow(page: Page): Promise<readonly string[]> {
  const width = 'document.documentElement.clientWidth';
  const beyond = await page.evaluate<number>(`document.documentElement.scrollWidth - ${width}`);
  if (beyond <= 0) return [];
  return page.evaluate<string[]>(
    `[...document.body.querySelectorAll('*')].filter((each) => each.getBoundingClientRect().right > ${width})
      .map((each) => each.outerHTML.slice(0, 80)).concat('${beyond} pixels beyond')`,
  );
}
