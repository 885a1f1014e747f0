import { expect, it } from 'vitest';
import { startServedFleet } from '../setup.ts';

it('lists a run, and shows it', async () => {
  const fleet = await startServedFleet();
  const { run } = await fleet.harvest('oda/Afstemning');
  const list = await fetch(fleet.url);
  expect(list.status).toBe(200);
  expect(await list.text()).toContain(`<a class="id" href="/runs/${run}">`);
  const page = await (await fetch(`${fleet.url}/runs/${run}`)).text();
  expect(page).toContain('Proved complete.');
  expect(page).toContain('<h1 class="id">');
});

it('tells of a run that is not there with a page', async () => {
  const { url } = await startServedFleet();
  const answer = await fetch(`${url}/runs/20261121-000000-aaaa`);
  expect(answer.status).toBe(404);
  expect(await answer.text()).toContain('There is no run 20261121-000000-aaaa.');
});
