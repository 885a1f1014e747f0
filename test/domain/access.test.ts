import { describe, expect, it } from 'vitest';
import { readSettings } from '../../src/config/settings.ts';
import { parseAccess } from '../../src/domain/access.ts';
import { isAddressOrNetwork, isLoopback } from '../../src/domain/address.ts';

const USER = `scrypt.15.8.3.${'a'.repeat(22)}.${'b'.repeat(43)}`;
const TOKEN = `sha256.${'c'.repeat(43)}`;

describe('SHEAF_ACCESS', () => {
  it('holds users and tokens', () => {
    expect(parseAccess(` ada:operator:${USER} ,prom:viewer:${TOKEN},`)).toEqual({
      entries: [
        { kind: 'user', name: 'ada', role: 'operator', hash: USER },
        { kind: 'token', name: 'prom', role: 'viewer', hash: TOKEN },
      ],
    });
    expect(parseAccess('')).toEqual({ entries: [] });
  });

  it.each([
    ['ada:operator:hunter2-in-the-clear', 'entry 1 (ada) ends in something that is not a hash'],
    [`ada:admin:${USER}`, 'entry 1 (ada) has a role that is neither viewer nor operator'],
    [`ada:operator:${USER},ada:viewer:${TOKEN}`, 'there are two entries for ada'],
    [`ada:operator:${USER},sheaf_a-token-by-itself`, 'entry 2 does not have the three parts name:role:hash'],
    [`a b:viewer:${TOKEN}`, 'entry 1 has no name that can be used'],
    [`local:viewer:${TOKEN}`, 'entry 1 (local) has no name that can be used'],
    [`ada:operator:scrypt.4.8.1.${'a'.repeat(22)}.${'b'.repeat(43)}`, 'entry 1 (ada) ends in something'],
    [`ada:operator:scrypt.30.8.1.${'a'.repeat(22)}.${'b'.repeat(43)}`, 'entry 1 (ada) ends in something'],
  ])('refuses %s', (text, problem) => {
    expect(parseAccess(text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  it('is never repeated, however wrong it is', () => {
    for (const secret of [
      'hunter2-in-the-clear',
      'ada:operator:hunter2-in-the-clear',
      'hunter2-in-the-clear:x',
      `x://a:b:${USER}`,
    ])
      expect(() => readSettings({ SHEAF_ACCESS: secret })).not.toThrow(/hunter2|bbbb/);
    expect(() => readSettings({ SHEAF_ACCESS: 'ada:operator:hunter2' })).toThrow(/SHEAF_ACCESS must be .* \(ada\)/);
  });
});

describe('addresses', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.1', '::1', '[::1]', '0:0:0:0:0:0:0:1'])(
    '%s is this machine',
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );
  it.each([
    '0.0.0.0',
    '::',
    '',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '1',
    '[::ffff:10.0.0.1]',
  ])('%s is not, or not only', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
  it.each([
    ['10.0.0.7', true],
    ['10.0.0.0/8', true],
    ['fd00::/8', true],
    ['10.0.0.0/33', false],
    ['proxy.example', false],
    ['10.0.0.0/8/8', false],
  ])('%s as a proxy: %s', (text, isOne) => {
    expect(isAddressOrNetwork(text)).toBe(isOne);
  });
});
