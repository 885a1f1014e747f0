import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSettings } from '../../src/config/settings.ts';
import { createSources, limitFor } from '../../src/runtime/sources.ts';
import { VERSION } from '../../src/runtime/version.ts';
import { createTelemetry } from '../../src/telemetry/events.ts';

describe('politeness', () => {
  it('is 5 requests a second to anything that is not on this machine', () => {
    for (const url of ['https://oda.ft.dk/api/', 'http://192.168.1.7/api/', 'http://localhost.example/']) {
      expect(limitFor(url, undefined, 5)).toBe(5);
    }
    for (const url of ['http://127.0.0.1:4711/api/', 'http://localhost/', 'http://[::1]:80/']) {
      expect(limitFor(url, undefined, 5)).toBeNull();
    }
  });

  it('is what was asked for when something was; 0 is no limit', () => {
    expect(limitFor('https://oda.ft.dk/api/', 12, 5)).toBe(12);
    expect(limitFor('https://oda.ft.dk/api/', 0, 5)).toBeNull();
    expect(limitFor('http://127.0.0.1/', 3, 5)).toBe(3);
  });

  it.each([
    [{}, `sheaf/${VERSION}`],
    [{ SHEAF_USER_AGENT: 'harvest of example.org (mail@example.org)' }, 'harvest of example.org (mail@example.org)'],
  ])('is to say who asks: %j', async (changes, expected) => {
    const agents: unknown[] = [];
    const server = createServer((request, response) => {
      agents.push(request.headers['user-agent']);
      response.setHeader('content-type', 'application/json').end('{"value":[]}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const settings = readSettings({ SHEAF_ODA_URL: `http://127.0.0.1:${port}/`, ...changes });
    const sources = createSources({
      settings,
      telemetry: createTelemetry(),
      database: null,
      rate: null,
      connections: 1,
    });
    await sources.reach('oda').fetch('Sag', (body) => body);
    await sources.close();
    expect(agents).toEqual([expected]);
  });
});
