import { describe, expect, it } from 'vitest';
import { startServedFleet } from '../setup.ts';

const json = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('runs over the API', () => {
  it('are started, watched to their end, and listed', async () => {
    const fleet = await startServedFleet();
    const started = await fetch(`${fleet.url}/api/runs`, json({ dataset: 'oda/Afstemning', formats: ['csv'] }));
    expect(started.status).toBe(201);
    const { run } = (await started.json()) as { run: string };
    expect(started.headers.get('location')).toBe(`/api/runs/${run}`);
    await fleet.startWorker();
    await fleet.ended(run);
    const shown = await fetch(`${fleet.url}/api/runs/latest`);
    expect(await shown.json()).toMatchObject({ run, state: 'complete', records: 250, inserted: 250 });
    const list = await fetch(`${fleet.url}/api/runs?state=complete&state=failed`);
    expect(await list.json()).toMatchObject({ runs: [{ run }], next: null });
  });

  it('take neither an address nor a folder from whoever starts them', async () => {
    const { url } = await startServedFleet();
    for (const field of ['out', 'baseUrl', 'sourceUrl']) {
      const refused = await fetch(`${url}/api/runs`, json({ dataset: 'oda/Afstemning', [field]: '/etc' }));
      expect(refused.status).toBe(400);
      expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await refused.json()).toMatchObject({ code: 'invalid-request', errors: [{ in: 'body' }] });
    }
  });
});
