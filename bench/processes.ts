// What /proc tells of processes. Linux only.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second. */
const TICK_MS = 10;

export const hasProc = existsSync('/proc/self/stat');

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
  /** Of its children that have ended and that it has waited for. */
  readonly ticksOfEnded: number;
}

/** Processor time of a process and of all that descend from it, in milliseconds; of the ended ones, too. */
export function processorMs(root: number): number {
  return familyOf(root).reduce((sum, each) => sum + each.ticks + each.ticksOfEnded, 0) * TICK_MS;
}

/** Processor time of the ended children of this process, in milliseconds: exact where a child is gone before one can look. */
export function endedChildrenMs(): number {
  return (readProcess(process.pid)?.ticksOfEnded ?? 0) * TICK_MS;
}

/** 0 for a process that is gone, and where there is no /proc. */
export function parentOf(pid: number): number {
  return readProcess(pid)?.parent ?? 0;
}

/** All that run at this moment: read once by whoever looks at several families. */
export function listProcesses(): Process[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (readProcess(Number(name)) ?? []) : []));
}

export interface FamilyMemory {
  /** The memory of their own, and once what they share (the buffers of PostgreSQL, the program's text). */
  readonly bytes: number;
  /** Of what they share, what is neither a file nor one's own: the most that one of them has touched. */
  readonly sharedBytes: number;
  readonly members: readonly Member[];
}

export interface Member {
  readonly pid: number;
  /** Its command line, words apart by NUL; what PostgreSQL writes over that says what a process is there for. */
  readonly commandLine: string;
  /** Memory that no other process has. */
  readonly ownBytes: number;
}

/** Memory of a process and of all that descend from it, in bytes. */
export function memoryOf(root: number, processes: readonly Process[] = listProcesses()): FamilyMemory {
  const each = familyOf(root, processes).map(({ pid }) => ({ pid, ...readMemory(pid) }));
  const own = each.reduce((sum, { anonymous }) => sum + anonymous, 0);
  const sharedBytes = Math.max(0, ...each.map(({ shared }) => shared));
  return {
    bytes: own + sharedBytes + Math.max(0, ...each.map(({ files }) => files)),
    sharedBytes,
    members: each.map(({ pid, anonymous }) => ({ pid, ownBytes: anonymous, commandLine: readCommandLine(pid) })),
  };
}

function familyOf(root: number, processes: readonly Process[] = listProcesses()): Process[] {
  const family = processes.filter(({ pid }) => pid === root);
  for (const member of family) family.push(...processes.filter(({ parent }) => parent === member.pid)); // grows as it goes
  return family;
}

function readProcess(pid: number): Process | undefined {
  const text = readOrNot(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name of the program stands in brackets and may itself hold brackets: the fields begin after the last one.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
  return { pid, parent: fields[1] ?? 0, ticks: user + system, ticksOfEnded: endedUser + endedSystem };
}

function readMemory(pid: number): { anonymous: number; files: number; shared: number } {
  const text = readOrNot(`/proc/${pid}/status`) ?? '';
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1_024;
  return { anonymous: field('RssAnon'), files: field('RssFile'), shared: field('RssShmem') };
}

function readCommandLine(pid: number): string {
  return readOrNot(`/proc/${pid}/cmdline`) ?? '';
}

/** Undefined when the process is gone. */
function readOrNot(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
