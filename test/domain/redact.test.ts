import { describe, expect, it } from 'vitest';
import { redact } from '../../src/domain/redact.ts';

describe('redact', () => {
  it.each([
    ['https://user:pw@host/path', 'https://***@host/path'],
    ['https://user@host/path', 'https://***@host/path'],
    ['https://:pw@host', 'https://***@host'],
    ['a https://u:p@h/ and redis://u:q@r/', 'a https://***@h/ and redis://***@r/'],
    ['https://h/?api_key=abc&page=2', 'https://h/?api_key=***&page=2'],
    ['https://h/?page=2&access_token=abc#x', 'https://h/?page=2&access_token=***#x'],
    ['https://h/?Signature=abc', 'https://h/?Signature=***'],
    ['https://h/?PASSWORD=a%20b', 'https://h/?PASSWORD=***'],
  ])('takes the secrets out of %s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it.each([
    'https://oda.ft.dk/api/Sag?$filter=id gt 5&$orderby=id',
    'mail me at someone@example.com',
    'https://host/path/user@example.com',
    'plain text',
    '',
  ])('leaves %s alone', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('takes out the whole of a password that holds an unescaped @', () => {
    expect(redact('postgres://sheaf:p@ss@db:5432/x')).toBe('postgres://***@db:5432/x');
  });

  it.each([
    ['parameter name', `?${'key'.repeat(15_000)}`],
    ['user name', `https://${'a:'.repeat(20_000)}`],
  ])('takes linear time on a long %s', (_what, text) => {
    const started = performance.now();
    redact(text);
    expect(performance.now() - started).toBeLessThan(60);
  });
});
