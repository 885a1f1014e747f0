import { expect, it } from 'vitest';
import { bearer, OPERATOR_TOKEN, startGuardedFleet } from './setup.ts';

const STRICT =
  "default-src 'self';img-src 'self' data:;object-src 'none';base-uri 'self';form-action 'self';frame-ancestors 'none'";
const WITH_STYLES = `${STRICT};style-src 'self' 'unsafe-inline'`;

it('tells browsers at every kind of address what they may do with it', async () => {
  const { url } = await startGuardedFleet();
  const pages = ['/', '/sign-in', '/api/runs', '/api/openapi.json', '/metrics', '/healthz', '/nothing', '/api/nothing'];
  for (const path of [...pages, '/board', '/board/api/queues', '/api/docs']) {
    for (const headers of [{}, bearer(OPERATOR_TOKEN)]) {
      const { headers: told } = await fetch(url + path, { headers, redirect: 'manual' });
      const hasStyles = 'authorization' in headers && (path.startsWith('/board') || path === '/api/docs');
      expect([path, told.get('content-security-policy')]).toEqual([path, hasStyles ? WITH_STYLES : STRICT]);
      expect(told.get('x-content-type-options')).toBe('nosniff');
      expect(told.get('x-frame-options')).toBe('DENY');
      expect(told.get('referrer-policy')).toBe('same-origin');
      expect(told.get('cross-origin-resource-policy')).toBe('same-origin');
      expect([path, told.get('cache-control')]).toEqual([path, expect.stringMatching(/no-cache|no-store|max-age=0/)]);
      expect(told.get('access-control-allow-origin')).toBeNull();
      expect(told.get('server') ?? told.get('x-powered-by')).toBeNull();
    }
  }
});

it('offers no other origin to read it', async () => {
  const { url } = await startGuardedFleet();
  const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
  const answer = await fetch(`${url}/api/runs`, { method: 'OPTIONS', headers: preflight });
  expect(answer.ok).toBe(false);
  expect(answer.headers.get('access-control-allow-origin')).toBeNull();
});
