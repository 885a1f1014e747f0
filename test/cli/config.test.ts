import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { start } from '../support/command.ts';

async function config(environment: Readonly<Record<string, string>>, { dotenv = '', args = [] as string[] } = {}) {
  const cwd = await mkdtemp(join(tmpdir(), 'sheaf-config-'));
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));
  await writeFile(join(cwd, '.env'), dotenv);
  return start(['config', ...args], environment, { cwd }).finished;
}

it('tells where each setting comes from, and shows no secret', async () => {
  const dotenv = 'SHEAF_ODA_RATE=3\nSHEAF_PORT=7000\nREDIS_URL=redis://:hunter2@127.0.0.1:1/0\n';
  const { stdout, stderr, code } = await config({ SHEAF_PORT: '7001' }, { dotenv, args: ['--json'] });
  const settings = JSON.parse(stdout) as { name: string }[];
  const named = (name: string) => settings.find((setting) => setting.name === name);
  expect(named('SHEAF_PORT')).toMatchObject({ from: 'environment', value: '7001', problem: null });
  expect(named('SHEAF_ODA_RATE')).toMatchObject({ from: '.env', value: '3' });
  expect(named('SHEAF_OUT')).toMatchObject({ from: 'default', value: null, fallback: 'out' });
  expect(named('REDIS_URL')).toMatchObject({ from: '.env', value: null, isSecret: true });
  expect(stdout + stderr).not.toContain('hunter2');
  expect(code).toBe(0);
});

it('names everything that is wrong at once, and ends with 2', async () => {
  const { stdout, stderr, code } = await config(
    { SHEAF_PORT: 'x', SHEAF_ACCES: 'me:operator:hunter2' },
    { dotenv: 'SHEAF_CONCURRENCY=0', args: ['--given'] },
  );
  expect(stderr).toMatch(/SHEAF_PORT must be .* it is "x"/);
  expect(stderr).toMatch(/SHEAF_CONCURRENCY must be/);
  expect(stderr).toMatch(/SHEAF_ACCES is not a setting.*SHEAF_ACCESS/);
  expect(stdout).toMatch(/SHEAF_PORT +environment +x/);
  expect(stdout).not.toContain('SHEAF_OUT');
  expect(stdout + stderr).not.toContain('hunter2');
  expect(code).toBe(2);
});

it('shows no password of a source, well written or not', async () => {
  const url = await config({ SHEAF_ODA_URL: 'http://me:hunter2@127.0.0.1:1/api/' });
  expect(url.stdout).toContain('http://***@127.0.0.1:1/api/');
  const mistyped = await config({ SHEAF_ODA_URL: 'me:hunter2@127.0.0.1' });
  expect(mistyped).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/must be an http or https URL.*\*\*\*@127/),
  });
  for (const { stdout, stderr } of [url, mistyped]) expect(stdout + stderr).not.toContain('hunter2');
});

it('says so when nothing is given', async () => {
  const { stdout, code } = await config({}, { args: ['--given'] });
  expect(stdout).toMatch(/^No setting is given/);
  expect(code).toBe(0);
});
