import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseAccess } from '../../src/domain/access.ts';
import { findToken, findUser } from '../../src/server/security/credentials.ts';
import { sheaf } from '../support/command.ts';

const BIN = fileURLToPath(new URL('../../bin/sheaf', import.meta.url));

/** Runs `sheaf access …` with something on its standard input. */
async function access(args: readonly string[], input: string) {
  const child = spawn(BIN, ['access', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...output };
}

function entriesOf(text: string) {
  const parsed = parseAccess(text.trim());
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.entries;
}

describe('sheaf access', () => {
  it('makes an entry with which a user signs in, and does not show the password', async () => {
    const made = await access(['user', 'åda@example', '--role', 'operator'], '');
    expect(made).toMatchObject({ code: 2, stdout: '' });
    const password = 'korrekt hest batteri æøå';
    const { code, stdout, stderr } = await access(['user', 'ada', '--role', 'operator'], `${password}\nnot this\n`);
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain('hest');
    const entries = entriesOf(stdout);
    expect(entries).toMatchObject([{ kind: 'user', name: 'ada', role: 'operator' }]);
    expect(await findUser(entries, { name: 'ada', password: password.normalize('NFD') })).toMatchObject({
      name: 'ada',
    });
    expect(await findUser(entries, { name: 'ada', password: `${password} ` })).toBeNull();
    expect(await findUser(entries, { name: 'bob', password })).toBeNull();
  });

  it('makes a token of 256 bits, shows it once, and keeps its hash', async () => {
    const { code, stdout, stderr } = await access(['token', 'prometheus', '--role', 'viewer'], '');
    expect(code).toBe(0);
    const [token = ''] = /sheaf_[\w-]{43}/.exec(stderr) ?? [];
    expect(stdout).not.toContain(token.slice(6));
    const entries = entriesOf(stdout);
    expect(findToken(entries, token)).toMatchObject({ kind: 'token', name: 'prometheus', role: 'viewer' });
    expect(findToken(entries, `${token.slice(0, -1)}-`)).toBeNull();
  });

  it.each([
    ['a short password', ['user', 'ada', '--role', 'viewer'], 'too short\n', /fewer than 12 characters/],
    ['no password', ['user', 'ada', '--role', 'viewer'], '', /fewer than 12 characters/],
    ['no role', ['user', 'ada'], 'a long enough password', /--role/],
    ['another role', ['token', 'ada', '--role', 'admin'], '', /viewer, operator/],
    ['a name that means something else', ['token', 'local', '--role', 'viewer'], '', /cannot be the name/],
  ])('refuses %s', async (_what, args, input, message) => {
    const { code, stdout, stderr } = await access(args, input);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('is demanded by a server that others could reach, which says how', async () => {
    const environment = { DATABASE_URL: 'postgres://127.0.0.1:1/none', SHEAF_ACCESS: 'ada:operator:hunter2hunter2' };
    const wrong = await sheaf(['serve', '--host', '0.0.0.0'], environment);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/SHEAF_ACCESS must be .*entry 1 \(ada\)/);
    expect(wrong.stderr).not.toMatch(/hunter2/);
  });
});
