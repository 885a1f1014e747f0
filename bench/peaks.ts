import type { RedisServer } from '../test/faults/redis-server.ts';
import type { Postgres } from './postgres.ts';
import { type FamilyMemory, listProcesses, memoryOf } from './processes.ts';
import { clientRole, roleOf } from './roles.ts';
import type { Upstream } from './upstream-process.ts';

/** Whose work and memory are told apart; what a program starts counts as it. */
export const parts = ['program', 'postgres', 'redis', 'upstream'] as const;
export type Part = (typeof parts)[number];
export type ByPart = Readonly<Record<Part, number>>;

export interface Servers {
  readonly postgres: Postgres;
  /** Null for a program that uses none. */
  readonly redis: RedisServer | null;
  readonly upstream: Upstream;
}

/** The most memory of its own that any one process of a role had. */
export interface RolePeak {
  readonly part: Part;
  readonly role: string;
  readonly ownBytes: number;
}

export interface Peaks {
  /** Of all processes of a part together, at one moment. */
  readonly peakBytes: ByPart;
  /** What PostgreSQL has touched of its shared memory: a pool of fixed size, which fills with the first pages that are read. */
  readonly sharedBytes: number;
  readonly roles: readonly RolePeak[];
}

/** So seldom that looking costs about a hundredth of a core. */
const LOOK_EVERY_MS = 250;

interface ProcessPeak {
  readonly part: Part;
  /** Null for a client of PostgreSQL. */
  readonly role: string | null;
  readonly ownBytes: number;
}

interface Watch {
  /** From here on, with the program of this process id. */
  readonly start: (program: number) => void;
  readonly stop: () => void;
  readonly peaks: () => Peaks;
}

/** Looks at the memory of a program and of its servers, again and again. */
export function watchMemory(servers: Servers): Watch {
  const peakBytes = { program: 0, postgres: 0, redis: 0, upstream: 0 };
  const processes = new Map<string, ProcessPeak>();
  const applications = new Map<number, string>();
  let sharedBytes = 0;
  let looking: NodeJS.Timeout | undefined;
  const look = (program: number) => {
    const families = familiesOf(program, servers);
    for (const [part, family] of families) {
      peakBytes[part] = Math.max(peakBytes[part], family.bytes);
      for (const member of family.members) raise(processes, part, member);
      if (part === 'postgres') sharedBytes = Math.max(sharedBytes, family.sharedBytes);
    }
    if (hasUnknownClients(families, applications)) void learnClients(servers.postgres, applications);
  };
  return {
    start: (program) => {
      looking = setInterval(look, LOOK_EVERY_MS, program);
    },
    stop: () => clearInterval(looking),
    peaks: () => ({ peakBytes, sharedBytes, roles: peaksByRole(processes, applications) }),
  };
}

type Families = readonly (readonly [Part, FamilyMemory])[];

function familiesOf(program: number, { postgres, redis, upstream }: Servers): Families {
  const all = listProcesses();
  const roots = { program, postgres: postgres.pid, redis: redis?.pid ?? null, upstream: upstream.pid };
  return parts.flatMap((part) => (roots[part] === null ? [] : [[part, memoryOf(roots[part], all)] as const]));
}

/** By process and by what it is there for: a program that is replaced by another (`exec`) keeps its number. */
function raise(
  processes: Map<string, ProcessPeak>,
  part: Part,
  { pid, commandLine, ownBytes }: FamilyMemory['members'][number],
): void {
  if (commandLine === '') return; // it has gone, or is going
  const role = roleOf(commandLine);
  const id = `${pid} ${part} ${role}`;
  processes.set(id, { part, role, ownBytes: Math.max(ownBytes, processes.get(id)?.ownBytes ?? 0) });
}

function hasUnknownClients(families: Families, applications: ReadonlyMap<number, string>): boolean {
  return families.some(
    ([part, { members }]) =>
      part === 'postgres' &&
      members.some(({ pid, commandLine }) => roleOf(commandLine) === null && !applications.has(pid)),
  );
}

/** Asked when somebody has come only: a question costs more than a look. */
async function learnClients(postgres: Postgres, applications: Map<number, string>): Promise<void> {
  const found = await postgres.clients().catch(() => new Map<number, string>()); // the bench is about to end
  for (const [pid, name] of found) applications.set(pid, name);
}

function peaksByRole(
  processes: ReadonlyMap<string, ProcessPeak>,
  applications: ReadonlyMap<number, string>,
): RolePeak[] {
  const peaks = new Map<string, RolePeak>();
  for (const [id, { part, role: known, ownBytes }] of processes) {
    const role = known ?? clientRole(applications.get(Number.parseInt(id, 10)));
    const key = `${part} ${role}`;
    peaks.set(key, { part, role, ownBytes: Math.max(ownBytes, peaks.get(key)?.ownBytes ?? 0) });
  }
  return [...peaks.values()].toSorted(
    (a, b) => parts.indexOf(a.part) - parts.indexOf(b.part) || b.ownBytes - a.ownBytes,
  );
}
