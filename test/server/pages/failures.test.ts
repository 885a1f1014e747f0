import { expect, it } from 'vitest';
import { startServedFleet } from '../setup.ts';

it('answers an address that cannot be with a page of its own, or a problem, and never as if it had failed itself', async () => {
  const { url } = await startServedFleet();
  for (const path of ['/runs/%00', '/runs/%00/events', '/?dataset=%00', '/datasets/oda/%00']) {
    const answer = await fetch(url + path, { headers: { accept: 'text/html' } });
    expect([path, answer.status]).toEqual([path, 400]);
    expect(await answer.text()).toContain('The request must not contain U+0000.');
  }
  for (const path of ['/api/runs/%ff', '/runs/%ff', `/api/runs/${'x'.repeat(200)}`]) {
    for (const accept of ['application/json', 'text/html']) {
      const answer = await fetch(url + path, { headers: { accept } });
      const type = accept === 'text/html' && !path.startsWith('/api') ? 'text/html' : 'application/problem+json';
      expect([path, answer.headers.get('content-type')]).toEqual([path, expect.stringContaining(type)]);
      expect([path, answer.status]).toEqual([path, path.endsWith('x') ? 414 : 400]);
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  }
});
