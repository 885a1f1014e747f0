import { sqlDate } from './generated-dates.ts';
import { mixSeed, seededRandom } from './seeded.ts';

/** 1 for, 2 against, 3 absent, 4 neither: the ids of Stemmetype. */
export type Choice = 1 | 2 | 3 | 4;

const parties: readonly (readonly [letter: string, seats: number])[] = [
  ['S', 50],
  ['V', 23],
  ['M', 16],
  ['SF', 15],
  ['DD', 14],
  ['LA', 14],
  ['KF', 10],
  ['EL', 9],
  ['DF', 5],
  ['RV', 7],
  ['ALT', 6],
  ['UFG', 10],
];

const partyOfSeat = parties.flatMap(([_letter, seats], party) => Array.from({ length: seats }, () => party));

export const seatCount = partyOfSeat.length;

/** Which of the votes have rows in Stemme, and how many: most have all seats, a few none, and the last what is left over. */
export type VotePlan = { readonly seed: number; readonly seatsOfVote: readonly number[] };

/** Spreads `ballots` rows of Stemme over `votes` rows of Afstemning; about 2 in 100 votes have none at the source. */
export function planVotes(seed: number, votes: number, ballots: number): VotePlan {
  const random = seededRandom(mixSeed(seed, 'votes'));
  let left = ballots;
  const seatsOfVote = Array.from({ length: votes }, (_nothing, index) => {
    const votesNeeded = Math.ceil(left / seatCount);
    const isHeld = random() * (votes - index) < votesNeeded;
    const seats = isHeld ? Math.min(left, seatCount) : 0;
    left -= seats;
    return seats;
  });
  return { seed, seatsOfVote };
}

/** What the member on this seat did in this vote. Parties vote as one, and nearly four in ten members are away. */
export function choiceOf(plan: VotePlan, vote: number, seat: number): Choice {
  if (scatter(plan.seed, vote, seat + 1000) < 0.39) return 3;
  const draw = scatter(plan.seed, vote, partyOfSeat[seat] ?? 0);
  if (draw < 0.62) return 1;
  return draw < 0.92 ? 2 : 4;
}

/** A share of 0 to 1 for a seed and two numbers, without an order: Afstemning and Stemme are made apart and must agree. */
function scatter(seed: number, first: number, second: number): number {
  let hash = Math.imul(seed ^ Math.imul(first + 1, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(second + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0) / 4294967296;
}

/** The result of a vote: its sentence, whose figures are those of the rows in Stemme, and whether it was carried. */
export function resultOf(plan: VotePlan, vote: number): { konklusion: string; vedtaget: boolean } {
  const counts = [0, 0, 0, 0, 0];
  const letters: [Set<string>, Set<string>, Set<string>] = [new Set(), new Set(), new Set()];
  // A vote without rows in Stemme was held all the same.
  const seats = (plan.seatsOfVote[vote] ?? 0) || seatCount;
  for (let seat = 0; seat < seats; seat += 1) {
    const choice = choiceOf(plan, vote, seat);
    counts[choice] = (counts[choice] ?? 0) + 1;
    if (choice !== 3) letters[choice === 4 ? 2 : choice - 1]?.add(parties[partyOfSeat[seat] ?? 0]?.[0] ?? '');
  }
  const [forVotes = 0, against = 0, neither = 0] = [counts[1], counts[2], counts[4]];
  const isCarried = forVotes > against;
  const groups = letters.map((names) => (names.size === 0 ? '' : `(${[...names].join(', ')})`));
  const era = vote / plan.seatsOfVote.length;
  return {
    konklusion: sentence(era, isCarried, { counts: [forVotes, against, neither], groups }),
    vedtaget: isCarried,
  };
}

/** The three ways in which the source has written results, after one another. */
function sentence(
  era: number,
  isCarried: boolean,
  result: { counts: readonly [number, number, number]; groups: readonly string[] },
): string {
  const [forVotes, against, neither] = result.counts;
  const [forGroup = '', againstGroup = '', neitherGroup = ''] = result.groups;
  const word = isCarried ? 'Vedtaget' : 'Forkastet';
  if (era < 0.6) {
    const lines = [
      `${forVotes} stemmer for forslaget ${forGroup}`,
      `${against} stemmer imod forslaget ${againstGroup}`,
    ];
    lines.push(`${neither} stemmer hverken for eller imod forslaget ${neitherGroup}`);
    return [word, ...lines.map((line) => line.trimEnd()), ''].join('\n\n');
  }
  if (era < 0.95) {
    return `${word}\nFor stemte ${forVotes} ${forGroup} \nimod stemte ${against} ${againstGroup} \nhverken for eller imod stemte ${neither} ${neitherGroup}`;
  }
  return `Forslaget er ${word.toLowerCase()}.\nFor stemte ${forVotes} ${forGroup},\nimod stemte ${against} ${againstGroup},\nhverken for eller imod stemte ${neither} ${neitherGroup}.`;
}

/** The timestamp of a vote. */
export function voteStamp(plan: VotePlan, vote: number): string {
  const votes = plan.seatsOfVote.length;
  return sqlDate((vote + scatter(plan.seed, vote, 5000)) / (votes + 1));
}

/** The timestamp of a vote's rows in Stemme: one for each of two great imports, otherwise the vote's. */
export function ballotStamp(plan: VotePlan, vote: number): string {
  const era = vote / plan.seatsOfVote.length;
  if (era < 0.12) return '2014-09-22T15:44:12';
  return era < 0.2 ? '2014-09-19T14:41:03' : voteStamp(plan, vote);
}
