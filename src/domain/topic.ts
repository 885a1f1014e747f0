import { createHash } from 'node:crypto';

/** Letters that Kafka cannot have in a topic, as they are written without them. */
const SPELLINGS: Readonly<Record<string, string>> = { æ: 'ae', ø: 'oe', å: 'aa', ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' };
const LONGEST_TOPIC = 249;
const DIGEST_LENGTH = 8;

/**
 * The Kafka topic of a dataset: `oda/SagAktør` is `sheaf.oda.sagaktoer`. Small letters; Danish and German letters as they
 * are spelt without them, accents left out, anything else a hyphen. Of several datasets that come to the same, the first of
 * `known` has the plain name; the others, and what is too long, end in eight digits of a digest of their own names.
 */
export function topicOf(prefix: string, dataset: string, known: readonly string[]): string {
  const plain = plainTopic(prefix, dataset);
  const first = known.find((each) => plainTopic(prefix, each) === plain) ?? dataset;
  if (first === dataset && plain.length <= LONGEST_TOPIC) return plain;
  const digest = createHash('sha256').update(dataset).digest('hex').slice(0, DIGEST_LENGTH);
  return `${plain.slice(0, LONGEST_TOPIC - DIGEST_LENGTH - 1)}-${digest}`;
}

function plainTopic(prefix: string, dataset: string): string {
  return [prefix, ...dataset.split('/').map(spell)].join('.');
}

function spell(name: string): string {
  return name
    .toLowerCase()
    .replace(/[æøåäöüß]/g, (letter) => SPELLINGS[letter] ?? letter)
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .replace(/[^a-z0-9_-]/g, '-');
}
