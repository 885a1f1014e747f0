import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process that runs. A zombie counts as gone: it holds no file, no lock and no memory any more. */
export type RunningProcess = {
  id: number;
  parentId: number;
  /** Opaque; tells a process from a later one with the same id. */
  startedAt: string;
  commandLine: string;
  /** Undefined where it cannot be learned: no /proc, or another user's process. */
  workingDirectory: string | undefined;
};

/** Slim container images have no `ps`, other systems no /proc: so both ways are needed. */
const hasProc = existsSync('/proc/self/stat');

export function readProcess(id: number): Promise<RunningProcess | undefined> {
  return hasProc ? readFromProc(id) : readFromPs(id);
}

export async function listProcesses(): Promise<RunningProcess[]> {
  if (!hasProc) return listFromPs();
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = await Promise.all(ids.map((id) => readFromProc(Number(id))));
  return processes.filter((found) => found !== undefined);
}

async function readFromProc(id: number): Promise<RunningProcess | undefined> {
  try {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8');
    // The name of the program stands in brackets and may itself hold spaces and brackets: the fields begin after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const commandLine = (await readFile(`/proc/${id}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    const workingDirectory = await readlink(`/proc/${id}/cwd`).catch(() => undefined);
    return { id, parentId: Number(fields[1]), startedAt: fields[19] ?? '', commandLine, workingDirectory };
  } catch {
    return undefined;
  }
}

const PS_FIELDS = ['-o', 'pid=', '-o', 'ppid=', '-o', 'stat=', '-o', 'lstart=', '-o', 'args='];

export async function readFromPs(id: number): Promise<RunningProcess | undefined> {
  return (await ps(['-p', String(id)]))[0];
}

export async function listFromPs(): Promise<RunningProcess[]> {
  return ps(['-A']);
}

async function ps(selection: string[]): Promise<RunningProcess[]> {
  try {
    const { stdout } = await run('ps', ['-ww', ...selection, ...PS_FIELDS], { maxBuffer: 16 * 1024 * 1024 });
    return stdout.split('\n').flatMap(parsePsLine);
  } catch {
    // ps ends with 1 when no such process runs.
    return [];
  }
}

function parsePsLine(line: string): RunningProcess[] {
  // lstart is five words: Mon Jan  2 15:04:05 2006
  const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s(.*)$/.exec(line);
  if (match === null) return [];
  const [, id, parentId, state, startedAt, commandLine] = match;
  if (state === undefined || startedAt === undefined || commandLine === undefined || state.startsWith('Z')) return [];
  return [{ id: Number(id), parentId: Number(parentId), startedAt, commandLine, workingDirectory: undefined }];
}
