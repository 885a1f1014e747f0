import { expect, it } from 'vitest';
import { topicOf } from '../../src/domain/topic.ts';

it.each([
  ['oda/Sag', 'sheaf.oda.sag'],
  ['oda/SagAktør', 'sheaf.oda.sagaktoer'],
  ['oda/Møde', 'sheaf.oda.moede'],
  ['oda/EUSag', 'sheaf.oda.eusag'],
  ['oda/Årsag_Ævl-2', 'sheaf.oda.aarsag_aevl-2'],
  ['oda/Café (ny)', 'sheaf.oda.cafe--ny-'],
  ['other-one/事', 'sheaf.other-one.-'],
])('the topic of %s is %s', (dataset, topic) => {
  expect(topicOf('sheaf', dataset, [dataset])).toBe(topic);
});

it('datasets that come to the same name have topics of their own: the first of them the plain one, for good', () => {
  const known = ['oda/Sag', 'oda/SAG', 'oda/Aktør', 'oda/Aktoer', 'oda/事', 'oda/件'];
  const topics = known.map((dataset) => topicOf('sheaf', dataset, known));
  expect(topics[0]).toBe('sheaf.oda.sag');
  expect(topics[1]).toMatch(/^sheaf\.oda\.sag-[0-9a-f]{8}$/);
  expect(new Set(topics).size).toBe(known.length);
  expect(topics.slice(0, 3)).toEqual(known.slice(0, 3).map((dataset) => topicOf('sheaf', dataset, known.slice(0, 3))));
});

it('no topic is longer than Kafka allows', () => {
  const [one, other] = ['a', 'b'].map((letter) => `oda/${'x'.repeat(300)}${letter}`);
  const topics = [one, other].map((dataset = '') => topicOf('sheaf', dataset, []));
  for (const topic of topics) expect(topic).toMatch(/^[a-z0-9.-]{249}$/);
  expect(topics[0]).not.toBe(topics[1]);
});
