import { describe, expect, it, vi } from 'vitest';
import { environmentHere, readSettings } from '../../src/config/settings.ts';

describe('settings', () => {
  it('have a default for everything', () => {
    expect(readSettings({})).toMatchObject({
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      SHEAF_HOME: '.sheaf',
      SHEAF_OUT: 'out',
      SHEAF_CONCURRENCY: 8,
      SHEAF_ODA_URL: 'https://oda.ft.dk/api/',
      SHEAF_ODA_RATE: undefined,
    });
  });

  it('take an empty value for none, and add the slash that a base URL needs', () => {
    expect(readSettings({ REDIS_URL: ' ', SHEAF_ODA_URL: 'http://127.0.0.1:1/api' })).toMatchObject({
      REDIS_URL: undefined,
      SHEAF_ODA_URL: 'http://127.0.0.1:1/api/',
    });
  });

  it.each([
    ['DATABASE_URL', 'mysql://localhost/x', /DATABASE_URL must be a URL like postgres:/],
    ['REDIS_URL', 'localhost:6379', /REDIS_URL must be a URL like redis:/],
    ['SHEAF_CONCURRENCY', '0', /from 1 to 256; it is "0"/],
    ['SHEAF_CONCURRENCY', '2.5', /whole number/],
    ['SHEAF_ODA_RATE', '-1', /a number from 0 to 10000/],
    ['SHEAF_ODA_URL', 'ftp://x/', /an http or https URL/],
    ['SHEAF_LOG_LEVEL', 'loud', /debug, info, warn, error or silent/],
    ['SHEAF_USER_AGENT', 'bad\nagent', /printable ASCII/],
    ['SHEAF_OUTT', 'x', /not a setting of Sheaf\. Did you mean "SHEAF_OUT"\?/],
  ])('refuse %s=%s with its name, what was expected and what came', (name, value, message) => {
    expect(() => readSettings({ [name]: value })).toThrow(message);
  });

  it('never repeat a secret', () => {
    const wrong = {
      DATABASE_URL: 'odd://me:hunter2@host:1/x',
      SHEAF_NOTIFY_URL: 'odd://host:1/services/hunter2?hunter2#hunter2',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'odd://host:1/hunter2',
    };
    for (const [name, value] of Object.entries(wrong)) {
      expect(() => readSettings({ [name]: value })).toThrow('it is a URL that begins with "odd://host:1".');
      expect(() => readSettings({ [name]: value })).not.toThrow(/hunter2/);
    }
    for (const value of ['hunter2', 'hunter2:x', 'hunter2:x://y'])
      expect(() => readSettings({ SHEAF_NOTIFY_URL: value })).not.toThrow(/hunter2/);
  });

  it('are not inherited by commands where they are secret', () => {
    vi.stubEnv('SHEAF_OUT', 'there');
    vi.stubEnv('OTHER', 'kept');
    const secrets = ['DATABASE_URL', 'REDIS_URL', 'SHEAF_ACCESS', 'SHEAF_NOTIFY_URL', 'SHEAF_NOTIFY_SECRET'];
    secrets.push('OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS');
    for (const name of secrets) vi.stubEnv(name, 'hunter2');
    const inherited = environmentHere();
    vi.unstubAllEnvs();
    expect(inherited).toMatchObject({ SHEAF_OUT: 'there', OTHER: 'kept' });
    expect(Object.values(inherited)).not.toContain('hunter2');
    expect(Object.keys(inherited)).not.toEqual(expect.arrayContaining([expect.stringMatching(secrets.join('|'))]));
  });
});
