import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startServer } from '../../../src/runtime/serve.ts';
import { type ServedFleet, startServedFleet } from '../setup.ts';
import { bearer, OPERATOR_TOKEN, startGuardedFleet } from './setup.ts';

/** Sends bytes as they are, and returns what came back until the server closed, or a second after its last word. */
async function converse(url: string, ...chunks: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let heard = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
    socket.setTimeout(1_000, () => socket.destroy());
  });
  socket.on('error', () => undefined); // a server that has had enough may reset the connection
  for (const chunk of chunks) socket.write(chunk);
  await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}

const head = (line: string, ...headers: readonly string[]): string => [line, ...headers, '', ''].join('\r\n');
const statusIn = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const START = { method: 'POST', headers: { 'content-type': 'application/json' } };
const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code?: string }).code];

it('answers what is no request with a problem, and says of an address how to write it', async () => {
  const { url } = await startServedFleet();
  const { host } = new URL(url);
  const ask = async (...chunks: readonly string[]) => {
    const [above = '', body = ''] = (await converse(url, ...chunks)).split('\r\n\r\n');
    expect(above).toMatch(/^content-type: application\/problem\+json$/m);
    expect(above).toMatch(/^x-content-type-options: nosniff$/m);
    expect(above).toMatch(new RegExp(`^content-length: ${Buffer.byteLength(body)}$`, 'm'));
    return { status: statusIn(above), problem: JSON.parse(body) as unknown };
  };
  const raw = head('GET /api/runs/latest/exports/csv?dataset=oda/Aktør HTTP/1.1', `host: ${host}`);
  expect(await ask(raw)).toEqual({
    status: 400,
    problem: {
      type: 'urn:sheaf:problem:malformed-request',
      title: 'Malformed request',
      ...{ status: 400, code: 'malformed-request', detail: expect.stringContaining('Percent-encode it') },
    },
  });
  const large = head(`GET /${'a'.repeat(20_000)} HTTP/1.1`, `host: ${host}`);
  expect(await ask(large)).toMatchObject({ status: 431, problem: { code: 'request-headers-too-large' } });
  expect(await ask('\x16\x03\x01\x02\x00\x01\x00')).toMatchObject({
    status: 400,
    problem: { code: 'malformed-request', detail: 'What came is not a request of HTTP/1.1.' },
  });
});

it('answers in time whatever is sent to it, and goes on serving', async () => {
  const { url } = await startServedFleet();
  const { host } = new URL(url);
  const large = JSON.stringify({ dataset: 'oda/Sag', filter: 'x'.repeat(100_000) });
  expect(await codeOf(await fetch(`${url}/api/runs`, { ...START, body: large }))).toEqual([413, 'request-too-large']);
  expect((await codeOf(await fetch(`${url}/api/runs`, { ...START, body: '{"dataset":' })))[0]).toBe(400);
  expect((await codeOf(await fetch(`${url}/api/runs`, { ...START, body: 'null' })))[0]).toBe(400);
  const polluted = '{"dataset":"oda/Sag","__proto__":{"role":"operator"}}';
  expect((await codeOf(await fetch(`${url}/api/runs`, { ...START, body: polluted })))[0]).toBe(400);

  const flood = Array.from({ length: 200 }, (_each, number) => `x-${number}: ${'y'.repeat(100)}`);
  expect(statusIn(await converse(url, head('GET / HTTP/1.1', `host: ${host}`, ...flood)))).toBe(431);
  expect(statusIn(await converse(url, head(`GET /${'a'.repeat(20_000)} HTTP/1.1`, `host: ${host}`)))).toBe(431);
  expect(statusIn(await converse(url, head('GET / HTTP/1.1')))).toBe(400); // no host
  const smuggled = ['content-length: 5', 'transfer-encoding: chunked'];
  expect(
    statusIn(await converse(url, head('POST /sign-out HTTP/1.1', `host: ${host}`, ...smuggled), '0\r\n\r\n')),
  ).toBe(400);
  expect(statusIn(await converse(url, '\x16\x03\x01\x02\x00\x01\x00'))).toBe(400); // TLS
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

it('lets go of connections whose requests do not arrive, and serves others meanwhile', async () => {
  const { url } = await startServedFleet();
  const { host } = new URL(url);
  const startedAt = performance.now();
  const slow = Array.from({ length: 50 }, (_each, number) =>
    number % 2 === 0
      ? converse(url, `GET / HTTP/1.1\r\nhost: ${host}\r\nx-slow: `)
      : converse(
          url,
          head('POST /api/runs HTTP/1.1', `host: ${host}`, 'content-type: application/json', 'content-length: 50'),
          '{"dataset":',
        ),
  );
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  const answers = await Promise.all(slow);
  expect(performance.now() - startedAt).toBeLessThan(14_000);
  expect(new Set(answers.map(statusIn))).toEqual(new Set([408]));
});

it('refuses who comes under another name, or through a proxy, where nobody has to sign in', async () => {
  const { url } = await startServedFleet();
  const { port } = new URL(url);
  const under = async (host: string, ...headers: readonly string[]) =>
    statusIn(await converse(url, head('GET /api/runs HTTP/1.1', `host: ${host}`, 'connection: close', ...headers)));
  expect(await under(`localhost:${port}`)).toBe(200);
  expect(await under(`[::1]:${port}`)).toBe(200);
  for (const host of [`evil.example:${port}`, `127.0.0.1.evil.example:${port}`, `192.0.2.1:${port}`, 'localhost.'])
    expect([host, await under(host)]).toEqual([host, 403]);
  for (const header of ['forwarded: for=192.0.2.1', 'x-forwarded-for: 192.0.2.1', 'x-real-ip: 192.0.2.1'])
    expect(await under(`localhost:${port}`, header)).toBe(403);

  const rebound = head(
    'POST /sign-out HTTP/1.1',
    `host: evil.example:${port}`,
    'sec-fetch-site: same-origin',
    'connection: close',
  );
  expect(statusIn(await converse(url, rebound))).toBe(403);
  const foreign = { method: 'PUT', headers: { origin: 'https://evil.example' } };
  expect((await fetch(`${url}/board/api/queues/pause`, foreign)).status).toBe(403);
});

it('does not listen for others without knowing who may come', async () => {
  const { context } = await startServedFleet();
  for (const host of ['0.0.0.0', '::', '192.0.2.1'])
    await expect(startServer(context, { host, port: 0 })).rejects.toMatchObject({
      code: 'access-needed',
      message: expect.stringMatching(/sheaf access user/),
    });
  const behindProxy = { ...context, settings: { ...context.settings, SHEAF_TRUST_PROXY: ['127.0.0.1'] } };
  await expect(startServer(behindProxy, { host: '127.0.0.1', port: 0 })).rejects.toMatchObject({
    code: 'access-needed',
  });
});

it('takes neither a source nor a folder from whoever starts a run', async () => {
  const { url, twin } = await startGuardedFleet();
  twin.clearRequests();
  for (const field of ['baseUrl', 'sourceUrl', 'source', 'url', 'out', 'headers', 'id']) {
    const body = JSON.stringify({ dataset: 'oda/Afstemning', [field]: 'http://169.254.169.254/latest/meta-data/' });
    const headers = { ...START.headers, ...bearer(OPERATOR_TOKEN) };
    const answer = await fetch(`${url}/api/runs`, { ...START, headers, body });
    expect([field, answer.status]).toEqual([field, 400]);
  }
  for (const dataset of ['http://169.254.169.254/x', '../oda/Sag', 'oda/../../etc/passwd', 'file:///etc/passwd']) {
    const headers = { ...START.headers, ...bearer(OPERATOR_TOKEN) };
    const answer = await fetch(`${url}/api/runs`, { ...START, headers, body: JSON.stringify({ dataset }) });
    expect([dataset, answer.status]).toEqual([dataset, 400]);
  }
  expect(twin.requests.filter(({ path }) => !path.includes('$metadata'))).toEqual([]);
});

const CLIMBS = [
  '../../../../etc/passwd',
  '..%2f..%2f..%2f..%2fetc%2fpasswd',
  '%2e%2e/%2e%2e/%2e%2e/etc/passwd',
  '%252e%252e%252fetc%252fpasswd',
  '..%5c..%5cetc%5cpasswd',
  '/etc/passwd',
  '%2fetc%2fpasswd',
  '....//....//etc/passwd',
  'x%00.css',
];

async function climb({ url }: ServedFleet, folder: string): Promise<void> {
  const { host } = new URL(url);
  for (const path of CLIMBS) {
    const answer = await converse(url, head(`GET ${folder}${path} HTTP/1.1`, `host: ${host}`, 'connection: close'));
    expect([folder + path, [400, 403, 404].includes(statusIn(answer))]).toEqual([folder + path, true]);
    expect(answer).not.toMatch(/root:.*:0:0:/);
  }
}

it('serves nothing from outside its folders', async () => {
  const fleet = await startServedFleet();
  const page = await (await fetch(fleet.url)).text();
  const [, assets = ''] = /href="(\/assets\/[^/]+\/)/.exec(page) ?? [];
  expect(assets).not.toBe('');
  for (const folder of [assets, '/board/static/', '/api/docs/static/', '/']) await climb(fleet, folder);
});

it('hands out a run’s file only while it is that file, and not what a link or the ledger leads to', async () => {
  const fleet = await startServedFleet();
  const report = await fleet.harvest('oda/Afstemning');
  const path = report.exports.find(({ format }) => format === 'ndjson')?.path ?? '';
  const download = () => fetch(`${fleet.url}/api/runs/latest/exports/ndjson`);
  expect((await download()).status).toBe(200);
  const secret = join(await mkdtemp(join(tmpdir(), 'sheaf-secret-')), 'secret');
  onTestFinished(() => rm(dirname(secret), { recursive: true }));
  await writeFile(secret, await readFile(path)); // of the same size, so that only its place gives it away
  await rm(path);
  await symlink(secret, path);
  expect(await codeOf(await download())).toEqual([404, 'export-gone']);

  const { pool } = fleet.context.database;
  for (const elsewhere of [secret, join(dirname(path), '../../../../../../../..', secret), '/etc/passwd', `${path}/`]) {
    await pool.query(`update sheaf.exports set path = $1 where format = 'ndjson'`, [elsewhere]);
    expect([elsewhere, ...(await codeOf(await download()))]).toEqual([elsewhere, 404, 'export-gone']);
  }
});
