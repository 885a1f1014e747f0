// Makes the pictures in docs/images: pages of a Sheaf that harvests from the imitation. Needs Chromium.
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium } from 'playwright-core';
import { getRun } from '../src/db/queries/runs.ts';
import { sliceTotals } from '../src/db/queries/slices.ts';
import { hasEnded } from '../src/domain/run.ts';
import { launchRun } from '../src/runtime/harvest.ts';
import { startWorker } from '../src/runtime/worker.ts';
import { generateData } from '../src/twin/generated-data.ts';
import { findChromium } from '../test/support/chromium.ts';
import { type ServedSheaf, serveSheaf } from './served-sheaf.ts';

const FOLDER = process.argv[2] ?? 'docs/images';
const executablePath = findChromium();
if (executablePath === null) throw new Error('Chromium is not installed.');
const DESK = { width: 1180, height: 900 };
const PHONE = { width: 360, height: 740 };

const dataset = generateData({ seed: 1849, scale: 0.08, entities: ['Afstemning', 'Sag', 'Aktør', 'Stemme'] });
const sheaf = await serveSheaf({ dataset, latencyMs: { min: 10, max: 20 } });
const worker = await startWorker(sheaf.context, 6);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
mkdirSync(FOLDER, { recursive: true });
try {
  await harvest(sheaf, 'oda/Afstemning', 1);
  await harvest(sheaf, 'oda/Aktør', 1);
  const failing = { fault: { kind: 'status', status: 503 }, rate: 0.12, where: { entity: 'Sag' } } as const;
  sheaf.twin.setBehaviour({ faults: [failing] });
  await harvest(sheaf, 'oda/Sag', 1);
  sheaf.twin.setBehaviour({ faults: [] });
  sheaf.twin.setBehaviour({ latencyMs: { min: 60, max: 180 } });
  const run = await harvest(sheaf, 'oda/Stemme', 0.4);
  await shoot(browser, 'run-light', { path: `/runs/${run}`, scheme: 'light' });
  await shoot(browser, 'run-dark', { path: `/runs/${run}`, scheme: 'dark' });
  await shoot(browser, 'runs-light', { path: '/', scheme: 'light' });
  await shoot(browser, 'runs-phone', { path: '/', scheme: 'light', viewport: PHONE });
  await shoot(browser, 'run-phone', { path: `/runs/${run}`, scheme: 'dark', viewport: PHONE });
} finally {
  await browser.close();
  await worker.stop();
  await sheaf.stop();
}

/** Starts a harvest and waits until this share of its records has come; 1 waits for its end. */
async function harvest({ context, request }: ServedSheaf, name: string, share: number): Promise<string> {
  const run = await launchRun(context, request(name));
  for (;;) {
    const { state, expected } = await getRun(context.database, run);
    const { records } = await sliceTotals(context.database, run);
    if (hasEnded(state) || (share < 1 && records >= share * (expected ?? 0))) return run;
    await sleep(200);
  }
}

interface Shot {
  readonly path: string;
  readonly scheme: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
}

async function shoot(from: Browser, name: string, { path, scheme, viewport = DESK }: Shot): Promise<void> {
  const page = await from.newPage({ colorScheme: scheme, viewport, reducedMotion: 'reduce' });
  await page.goto(`${sheaf.url}${path}`);
  await sleep(1_500); // so that the live view has come
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
  if (process.argv[3] === 'full') await page.screenshot({ path: `${FOLDER}/${name}-full.png`, fullPage: true });
  await page.close();
}
