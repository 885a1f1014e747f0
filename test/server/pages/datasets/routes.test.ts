import { expect, it } from 'vitest';
import { inTransaction } from '../../../../src/db/database.ts';
import { startServedFleet } from '../../setup.ts';

const PAGE = '/datasets/oda/Afstemning';

it('lists records in the order of numbers, page after page', async () => {
  const { url, harvest } = await startServedFleet();
  await harvest('oda/Afstemning');
  const keysOf = async (query: string) => {
    const page = await (await fetch(`${url}${PAGE}${query}`)).text();
    return [...page.matchAll(/<th scope="row"><code>(\d+)<\/code>/g)].map(([, key]) => Number(key));
  };
  expect(await keysOf('')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(await keysOf('?after=10')).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
});

it('lets few people search at once, and stays ready meanwhile', async () => {
  const { url, harvest, context } = await startServedFleet();
  await harvest('oda/Afstemning');
  const searches = await inTransaction(context.database.pool, async (client) => {
    await client.query('lock table sheaf.records in access exclusive mode');
    const asked = Array.from({ length: 12 }, () => fetch(`${url}${PAGE}?text=a`));
    const refused = await Promise.any(asked);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    return asked;
  });
  const statuses = (await Promise.all(searches)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(2);
  expect(statuses.filter((status) => status === 503)).toHaveLength(10);
});
