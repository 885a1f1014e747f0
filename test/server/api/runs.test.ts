import { describe, expect, it } from 'vitest';
import { inlineData } from '../../../src/twin/twin-data.ts';
import { range, votes } from '../../support/rows.ts';
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

  it('over keys alone are started without files, and show what they are', async () => {
    const fleet = await startServedFleet();
    await fleet.harvest('oda/Afstemning', { formats: [] });
    const asked = { dataset: 'oda/Afstemning', keysOnly: true };
    const refused = await fetch(`${fleet.url}/api/runs`, json(asked));
    expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'bad-keys-only' }]);
    const started = await fetch(`${fleet.url}/api/runs`, json({ ...asked, formats: [] }));
    const { run } = (await started.json()) as { run: string };
    fleet.twin.put('Afstemning', votes([900])[0] as never);
    await fleet.startWorker();
    await fleet.ended(run);
    const details = await (await fetch(`${fleet.url}/api/runs/${run}`)).json();
    const ahead = { added: 1, changed: 0 };
    expect(details).toMatchObject({
      kind: 'keys-only',
      ahead,
      ranges: null,
      request: { keysOnly: true },
      proof: { ahead },
    });
    const page = await (await fetch(`${fleet.url}/runs/${run}`)).text();
    expect(page).toContain('a sweep over keys, without content');
    expect(page).toContain('New at the source');
    expect(page).toContain('<code>sheaf verify oda/Afstemning --repair</code>'); // what is late may have an old timestamp
    expect(await (await fetch(fleet.url)).text()).toContain('</a>, keys-only sweep, ');
  });

  it('that follow relations tell what came of them, and give each entity’s file', async () => {
    const ballots = range(1, 7).map((id) => ({
      id,
      typeid: 1,
      afstemningid: 3,
      aktørid: 1,
      opdateringsdato: '2014-09-19T14:41:02',
    }));
    const twin = { dataset: inlineData({ Afstemning: votes(range(1, 5)), Stemme: ballots }) };
    const fleet = await startServedFleet({ twin });
    const body = { dataset: 'oda/Afstemning', formats: ['ndjson'], expand: ['Stemme/Aktør', 'Stemme'] };
    const { run } = (await (await fetch(`${fleet.url}/api/runs`, json(body))).json()) as { run: string };
    await fleet.startWorker();
    await fleet.ended(run);
    const details = await (await fetch(`${fleet.url}/api/runs/${run}`)).json();
    expect(details).toMatchObject({
      request: { expand: ['Stemme/Aktør'], relations: 'flat' },
      related: [
        { dataset: 'oda/Aktør', records: 0 },
        { dataset: 'oda/Stemme', records: 7, inserted: 7 },
      ],
    });
    const file = `${fleet.url}/api/runs/${run}/exports/ndjson`;
    expect(await (await fetch(`${file}?dataset=oda/Stemme`)).text()).toBe(
      ballots.map((row) => `${JSON.stringify(row)}\n`).join(''),
    );
    expect((await (await fetch(file)).text()).split('\n')).toHaveLength(6);
    expect((await fetch(`${file}?dataset=oda/Sag`)).status).toBe(404);
    const page = await (await fetch(`${fleet.url}/runs/${run}`)).text();
    expect(page).toContain('Related records');
    expect(page).toContain('Stemme/Aktør; in files by themselves');
    // No run is of it, and there are records all the same.
    const dataset = await (await fetch(`${fleet.url}/datasets/oda/Stemme`)).text();
    expect(dataset).toContain('1 run inserted 7, updated 0 and deleted 0 records');
    // no run of it, and records all the same
    const refused = await fetch(`${fleet.url}/api/runs`, json({ ...body, expand: ['Stemmer'] }));
    expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'unknown-relation' }]);
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
