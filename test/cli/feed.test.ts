import { expect, it } from 'vitest';
import { consume, describeKafka, startBroker } from '../feed/broker.ts';
import { SECRET, type Told } from '../feed/setup.ts';
import { startReceiver } from '../notifications/receiver.ts';
import { verifyWebhook } from '../notifications/verify.ts';
import { sheaf } from '../support/command.ts';
import type { Fleet } from '../support/fleet.ts';
import { SET, setUp } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = `oda/${SET}`;

const environmentOf = (fleet: Fleet) => ({
  DATABASE_URL: fleet.context.database.url,
  SHEAF_ODA_URL: fleet.twin.url,
  SHEAF_OUT: fleet.out,
  SHEAF_FEED_SECRET: SECRET,
});

interface Message {
  readonly type: 'changes';
  readonly id: string;
  readonly dataset: string;
  readonly run: string;
  readonly last: boolean;
  readonly changes: readonly Told[];
}

describeKafka('sheaf feed', () => {
  it('tells a webhook and Kafka of a harvest before it ends, and lists who has not been told, and why', async () => {
    const { fleet } = await setUp({ ids: range(1, 30) });
    const environment = environmentOf(fleet);
    const [receiver, broker] = [await startReceiver(), await startBroker()];
    expect((await sheaf(['harvest', NAME, '--format', 'none'], environment)).code).toBe(0);
    const add = (...words: string[]) => sheaf(['feed', 'add', ...words], environment);
    const added = [
      await add('index', '--webhook', receiver.url, '--from', 'start', NAME),
      await add('lake', '--kafka', broker.address, '--from', '1d', 'all'),
      await add('nobody', '--kafka', '127.0.0.1:1', 'all'),
    ];
    expect(added.map(({ code, stdout }) => [code, stdout])).toEqual([
      [0, 'index\n'],
      [0, 'lake\n'],
      [0, 'nobody\n'],
    ]);
    fleet.twin.remove(SET, 30);
    const logged = { ...environment, SHEAF_LOG_LEVEL: 'debug' };
    const harvest = await sheaf(['harvest', NAME, '--format', 'none', '--json'], logged);
    const { run } = JSON.parse(harvest.stdout);
    const messages = await Promise.all(
      receiver.received.map(async ({ headers, body }) => (await verifyWebhook(SECRET, headers, body)) as Message),
    );
    expect(messages.map(({ dataset, changes, last }) => [dataset, changes.length, last])).toEqual([
      [NAME, 30, true],
      [NAME, 1, true],
    ]);
    expect(messages[0]?.changes.map(({ data }) => data)).toEqual(
      votes(range(1, 30)).toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1)),
    );
    expect(messages[1]).toMatchObject({
      run,
      changes: [{ key: '30', kind: 'delete', data: null, before: { id: 30 } }],
    });
    expect(receiver.received.map(({ headers }) => headers.get('webhook-id'))).toEqual(messages.map(({ id }) => id));

    const list = await sheaf(['feed', 'list'], environment);
    expect(list.stdout).toMatch(/^index +active +webhook http:\/\/127\.0\.0\.1:\d+\/hook +oda\/Afstemning +0 +-$/m);
    expect(list.stdout).toMatch(/^nobody +failing +kafka 127\.0\.0\.1:1 +all +1 /m);
    expect(list.stdout).toMatch(
      /^nobody: oda\/Afstemning: .*(ECONNREFUSED|closed).* \(1 failure in a row, next try at /m,
    );
    expect(harvest.stderr).toMatch(/feed\.failed/);
    const consumed = await consume(broker, 'sheaf.oda.afstemning');
    expect(consumed).toHaveLength(31);
    expect(consumed.filter(({ key }) => key === '30').map(({ headers }) => headers['kind'])).toEqual([
      'insert',
      'delete',
    ]);

    const { rows } = await fleet.context.database.pool.query<{ text: string }>(
      `select concat(to_jsonb(s), to_jsonb(p), (select jsonb_agg(to_jsonb(a)) from sheaf.audit a)) as text
       from sheaf.subscriptions s join sheaf.feed_positions p on p.subscription_id = s.id`,
    );
    const everything = [...rows.map(({ text }) => text), harvest.stderr, harvest.stdout, list.stdout].join();
    expect(everything).not.toContain(SECRET);
  });
});

it('says in the harvest that a receiver is gone for good, and its subscription paused', async () => {
  const { fleet } = await setUp({ ids: [1] });
  const environment = environmentOf(fleet);
  await fleet.harvest(NAME, { formats: [] });
  const receiver = await startReceiver((response) => response.writeHead(410).end());
  await sheaf(['feed', 'add', 'index', '--webhook', receiver.url, '--from', 'start', NAME], environment);
  const { stderr } = await sheaf(['harvest', NAME, '--format', 'none'], environment);
  expect(stderr).toMatch(
    /index is paused, the receiver says that it is gone: .*410.*; go on with: sheaf feed resume index/,
  );
});

it('refuses what cannot be, and says what to do', async () => {
  const { fleet } = await setUp({ ids: [1] });
  await fleet.harvest(NAME, { formats: [] });
  const refused = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await sheaf(['feed', ...words], environmentOf(fleet));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    return stderr;
  };
  expect(await refused('add', 'index', '--webhook', 'http://a.example/', 'oda/Sag')).toMatch(/has not been harvested/);
  expect(await refused('add', 'index', NAME)).toMatch(/needs one of --webhook and --kafka/);
  const both = await refused('add', 'index', '--webhook', 'http://a.example/', '--kafka', 'a:9092', NAME);
  expect(both).toMatch(/needs one of --webhook and --kafka, not both/);
  const secret = await refused('add', 'index', '--webhook', 'https://user:hunter2@a.example/', NAME);
  expect(secret).toMatch(/holds a password or a key/);
  expect(secret).not.toContain('hunter2');
  expect(await refused('pause', 'indx')).toMatch(/There is no subscription "indx"/);
});
