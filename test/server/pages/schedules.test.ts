import { expect, it } from 'vitest';
import { startServedFleet } from '../setup.ts';

const form = (fields: Readonly<Record<string, string>>, origin: string): RequestInit => ({
  method: 'POST',
  redirect: 'manual',
  headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});
const nightly = { name: 'nightly', cron: '30 2 * * *', timeZone: 'Europe/Copenhagen', datasets: 'oda/Afstemning' };

it('makes a schedule with a form, and steers it with buttons, without JavaScript', async () => {
  const { url, startWorker } = await startServedFleet();
  const page = async (path = '/schedules') => (await fetch(`${url}${path}`)).text();
  expect(await page()).toContain('There is no schedule yet');
  const made = await fetch(`${url}/schedules`, form(nightly, url));
  expect(made.status).toBe(303);
  const shown = await page(made.headers.get('location') ?? '');
  expect(shown).toContain('Schedule nightly is added.');
  expect(shown.match(/02:30:00 \+0[12]:00<\/time>/g)).toHaveLength(3);
  expect(shown).toContain('it is left out');
  expect(shown).toContain('<dt>Asks for</dt><dd>sweep</dd>');

  await startWorker();
  const press = async (action: string) => (await fetch(`${url}/schedules/nightly/${action}`, form({}, url))).status;
  expect(await press('pause')).toBe(303);
  expect(await press('pause')).toBe(409);
  expect(await page()).toContain('<strong>paused</strong>');
  expect(await press('run')).toBe(303);
  await expect.poll(() => page(), { timeout: 15_000 }).toMatch(/\(manual\)[\s\S]*class="state complete"/);
  expect(await press('resume')).toBe(303);
  expect(await press('remove')).toBe(303);
  expect(await press('remove')).toBe(404);
  expect(await page()).toContain('There is no schedule yet');
});

it('says beside each field what is wrong with it, and keeps what was typed', async () => {
  const { url } = await startServedFleet();
  const refused = async (changes: Readonly<Record<string, string>>) => {
    const answer = await fetch(`${url}/schedules`, form({ ...nightly, ...changes }, url));
    expect(answer.status).toBe(400);
    const text = await answer.text();
    expect(text).toContain('name="cron" value="');
    return [...text.matchAll(/id="error-(\w+)">([^<]*)</g)].map((match) => `${match[1]}: ${match[2]}`);
  };
  expect(await refused({ cron: '99 * * * *' })).toEqual([expect.stringMatching(/^cron: .*not a cron expression/)]);
  expect(await refused({ timeZone: 'Europe/Copenhagn' })).toEqual([expect.stringMatching(/^timeZone: .*Did you mean/)]);
  expect(await refused({ datasets: 'oda/Afstemnig' })).toEqual([expect.stringMatching(/^datasets: .*Did you mean/)]);
  const all = await refused({ name: 'A b', cron: '', jitter: 'long', catchUpWindow: '5', datasets: '' });
  expect(all.map((told) => told.split(':')[0])).toEqual(['name', 'cron', 'datasets', 'catchUpWindow', 'jitter']);
  const [told] = await refused({ cron: '<script>alert(1)</script>' });
  expect(told).not.toContain('<script>');
});
