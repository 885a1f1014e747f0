import { expect, it } from 'vitest';
import { readSettings } from '../../../src/config/settings.ts';
import { listAudit } from '../../../src/db/queries/audit.ts';
import { startServer } from '../../../src/runtime/serve.ts';
import type { ServedFleet } from '../setup.ts';
import { ACCESS, bearer, cookieOf, OPERATOR_TOKEN, PASSWORD, signIn, startGuardedFleet, submit } from './setup.ts';

const asPage = { accept: 'text/html', 'sec-fetch-site': 'same-origin' };
const statusOf = async (url: string, headers: Record<string, string>) => (await fetch(url, { headers })).status;
const pickAccess = (text: string) => ({ SHEAF_ACCESS: readSettings({ SHEAF_ACCESS: text }).SHEAF_ACCESS });
const auditOf = async ({ context }: ServedFleet) =>
  (await listAudit(context.database, { limit: 50 })).map(
    ({ actor, action, outcome }) => `${actor} ${action} ${outcome}`,
  );

it('leads people to the sign-in page and back to where they were, never to another site, and programs to a token', async () => {
  const { url } = await startGuardedFleet();
  const led = await fetch(`${url}/runs/x7k2?tab=slices`, { headers: asPage, redirect: 'manual' });
  expect(led.status).toBe(303);
  expect(led.headers.get('location')).toBe('/sign-in?next=%2Fruns%2Fx7k2%3Ftab%3Dslices');
  const page = await (await fetch(new URL(led.headers.get('location') ?? '', url))).text();
  expect(page).toContain('value="/runs/x7k2?tab&#61;slices"');
  expect(page).toMatch(/autocomplete="current-password"/);

  const back = await submit(url, '/sign-in', { name: 'ada', password: PASSWORD, next: '/runs/x7k2?tab=slices' });
  expect([back.status, back.headers.get('location')]).toEqual([303, '/runs/x7k2?tab=slices']);
  expect(back.headers.get('set-cookie')).toMatch(/^sheaf-\w+=.*; Path=\/; HttpOnly; SameSite=Strict$/);

  const refused = await fetch(`${url}/api/runs`, { headers: { accept: 'text/html' } });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="sheaf"');
  expect(await refused.json()).toMatchObject({ status: 401, code: 'not-signed-in', instance: '/api/runs' });
  const wrong = await fetch(`${url}/api/runs`, { headers: bearer('sheaf_wrong') });
  expect(wrong.headers.get('www-authenticate')).toMatch(/invalid_token/);

  for (const next of ['//evil.example', 'https://evil.example/', '/\\evil.example', '/\t/evil.example', 'runs', '']) {
    const answer = await submit(url, '/sign-in', { name: 'ada', password: PASSWORD, next });
    expect([next, answer.headers.get('location')]).toEqual([next, '/']);
  }

  const dotted = ['/.//evil.example', '/..//evil.example', '/a/..//evil.example', '/x/%2e%2e//evil.example', '/%2e//e'];
  const cookie = cookieOf(back);
  for (const next of dotted) {
    const posted = await submit(url, '/sign-in', { name: 'ada', password: PASSWORD, next });
    const query = new URLSearchParams({ next });
    const asked = await fetch(`${url}/sign-in?${query}`, { headers: { ...asPage, cookie }, redirect: 'manual' });
    expect([next, posted.headers.get('location'), asked.headers.get('location')]).toEqual([next, '/', '/']);
  }
});

it('says the same of a wrong name as of a wrong password, writes both down, and keeps no unknown name', async () => {
  const fleet = await startGuardedFleet();
  const { url } = fleet;
  const pages = [];
  for (const name of ['ada', 'hunter2 in the wrong field', 'deploy', '__proto__']) {
    const answer = await submit(url, '/sign-in', { name, password: 'not the password' });
    expect(answer.status).toBe(401);
    expect(answer.headers.getSetCookie()).toEqual([]);
    const page = await answer.text();
    expect(page).toContain(
      `name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required value="${name}"`,
    );
    pages.push(page.replace(`value="${name}"`, '')); // what was typed is all that differs
  }
  expect(new Set(pages).size).toBe(1);
  const cookie = await signIn(url);
  await submit(url, '/sign-out', {}, cookie);
  expect(await auditOf(fleet)).toEqual([
    'ada sign-out done',
    'ada sign-in done',
    'unknown sign-in refused',
    'unknown sign-in refused',
    'unknown sign-in refused',
    'ada sign-in refused',
  ]);
});

it('keeps sessions through a restart and on every server, until the entry of the user changes', async () => {
  const fleet = await startGuardedFleet();
  const cookie = await signIn(fleet.url, 'vic');
  const again = async (access: string): Promise<number> => {
    const settings = { ...fleet.context.settings, ...pickAccess(access) };
    const server = await startServer({ ...fleet.context, settings }, { host: '127.0.0.1', port: 0 });
    const status = await statusOf(`${server.url}/api/runs`, { cookie });
    await server.stop();
    return status;
  };
  const entry = ACCESS.split(',').find((each) => each.startsWith('vic:')) ?? '';
  expect(await again(ACCESS)).toBe(200);
  expect(await again(ACCESS.replace(entry, entry.replace('viewer', 'operator')))).toBe(401);
  expect(await again(ACCESS.replace(`,${entry}`, ''))).toBe(401);
  const [, ada = ''] = /ada:operator:([^,]+)/.exec(ACCESS) ?? [];
  expect(await again(ACCESS.replace(entry, `vic:viewer:${ada}`))).toBe(401);
});

it('takes no cookie that it has not sealed, and a token before a cookie, whatever page it comes from', async () => {
  const { url } = await startGuardedFleet();
  const cookie = await signIn(url);
  expect(await statusOf(`${url}/api/runs`, { cookie })).toBe(200);
  const [name = '', value = ''] = cookie.split('=');
  const documented = await fetch(`${url}/api/openapi.json`, { headers: bearer(OPERATOR_TOKEN) });
  const { components } = (await documented.json()) as {
    components: { securitySchemes: { session: { name: string } } };
  };
  const named = `${components.securitySchemes.session.name}=${value}`;
  expect(await statusOf(`${url}/api/runs`, { cookie: named })).toBe(200);
  const flipped = value.startsWith('A') ? `B${value.slice(1)}` : `A${value.slice(1)}`;
  for (const forged of [flipped, '', 'x', `${value.slice(0, 20)}`, encodeURIComponent('a;b')])
    expect(await statusOf(`${url}/api/runs`, { cookie: `${name}=${forged}` })).toBe(401);
  const out = await submit(url, '/sign-out', {}, cookie);
  expect(out.headers.get('location')).toBe('/sign-in');
  expect(out.headers.get('set-cookie')).toMatch(/Expires=Thu, 01 Jan 1970/);
  expect(cookieOf(out)).toMatch(/=$/);

  expect(await statusOf(`${url}/api/runs`, { cookie, ...bearer('wrong') })).toBe(401);
  const pause = { method: 'PUT', headers: { ...bearer(OPERATOR_TOKEN), 'sec-fetch-site': 'cross-site' } };
  expect((await fetch(`${url}/board/api/queues/pause`, pause)).status).toBe(200);

  const unknownProxy = { cookie, origin: 'https://sheaf.example', 'x-forwarded-host': 'sheaf.example' };
  const answer = await fetch(`${url}/board/api/queues/pause`, { method: 'PUT', headers: unknownProxy });
  expect(await answer.json()).toMatchObject({ status: 403, code: 'foreign-origin' });
});

it('takes passwords only where nobody else hears them, and marks the cookie for https', async () => {
  const proxied = { environment: { SHEAF_ACCESS: ACCESS, SHEAF_TRUST_PROXY: '127.0.0.1' } };
  const { url } = await startGuardedFleet(proxied);
  const through = (proto: string) => ({
    ...asPage,
    'x-forwarded-for': '192.0.2.7',
    'x-forwarded-host': 'sheaf.example',
    'x-forwarded-proto': proto,
  });
  const bare = await fetch(`${url}/sign-in`, { headers: through('http') });
  expect(bare.status).toBe(403);
  expect(await bare.text()).toContain('SHEAF_TRUST_PROXY');
  const body = new URLSearchParams({ name: 'ada', password: PASSWORD });
  const post = (proto: string) =>
    fetch(`${url}/sign-in`, { method: 'POST', headers: through(proto), body, redirect: 'manual' });
  expect((await post('http')).status).toBe(403);
  expect((await post('https')).headers.get('set-cookie')).toMatch(/; Secure; SameSite=Strict/);
});

it('slows down whoever guesses, from one address or for one name, and says when to try again', async () => {
  const { url } = await startGuardedFleet({ environment: { SHEAF_ACCESS: ACCESS, SHEAF_TRUST_PROXY: '127.0.0.1' } });
  const guess = (address: string, name: string) =>
    fetch(`${url}/sign-in`, {
      method: 'POST',
      headers: { accept: 'application/json', 'x-forwarded-for': address, 'x-forwarded-proto': 'https' },
      body: new URLSearchParams({ name, password: 'guess' }),
    });
  const statuses = async (count: number, ask: (turn: number) => Promise<Response>) => {
    const answers = await Promise.all(Array.from({ length: count }, (_each, turn) => ask(turn)));
    return answers.filter(({ status }) => status === 429);
  };
  const [slowed] = await statuses(21, (turn) => guess('192.0.2.7', `name${turn}`));
  expect(Number(slowed?.headers.get('retry-after'))).toBeGreaterThan(200);
  expect(await slowed?.json()).toMatchObject({ code: 'too-many-attempts' });
  expect((await guess('192.0.2.8', 'ada')).status).toBe(401);
  expect(await statuses(31, (turn) => guess(`198.51.100.${turn}`, 'vic'))).toHaveLength(1);
});
