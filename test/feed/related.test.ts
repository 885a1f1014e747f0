import { expect, it } from 'vitest';
import { ballot, ballots, members, setUpRelated } from '../support/related-rows.ts';
import { openFeeder, subscribe, toldIn } from './setup.ts';

it('tells subscribers of a dataset what a harvest of another has brought of it nested', async () => {
  const { fleet } = await setUpRelated();
  await fleet.harvest('oda/Afstemning', { formats: [], expand: ['Stemme/Aktør'] });
  await subscribe(fleet.context, 'ballots', { datasets: ['oda/Stemme'] });
  await subscribe(fleet.context, 'members', { datasets: ['oda/Aktør'] });
  const { feeder, messages } = await openFeeder(fleet.context);
  const next = async (name: string) => {
    const from = messages.length;
    await feeder.tend();
    return toldIn(messages.slice(from).filter(({ subscription }) => subscription === name));
  };
  expect(await next('ballots')).toHaveLength(ballots.length);
  expect(toldIn(messages).filter(({ dataset }) => dataset === 'oda/Aktør')).toHaveLength(members.length);

  fleet.twin.put('Stemme', ballot(201, { typeid: 9 }) as never);
  fleet.twin.put('Stemme', ballot(243) as never); // no vote itself has changed
  await fleet.harvest('oda/Afstemning', { formats: [], expand: ['Stemme'] });
  expect((await next('ballots')).map(({ key, kind, fields }) => [key, kind, fields])).toEqual([
    ['201', 'update', ['typeid']],
    ['243', 'insert', null],
  ]);
});
