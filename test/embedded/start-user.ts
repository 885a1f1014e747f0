import { type ChildProcessWithoutNullStreams, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type User = {
  process: ChildProcessWithoutNullStreams;
  url: string;
  dataDirectory: string;
  /** Resolves with the exit code when the process has stopped the orderly way. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
};

const PROGRAM = fileURLToPath(new URL('./user-program.ts', import.meta.url));

/** A user of the server in a process of its own; rejects with what the process said when it could not start. */
export async function startUser(home: string, options: SpawnOptions & { program?: string } = {}): Promise<User> {
  const { program = PROGRAM, ...spawnOptions } = options;
  const child = spawn(process.execPath, [program, home], { ...spawnOptions, stdio: 'pipe' });
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  const closed = once(child, 'close');
  const said = await Promise.race([once(createInterface(child.stdout), 'line'), closed]);
  if (typeof said[0] !== 'string') throw new Error(complaint.trim());
  return {
    process: child,
    ...(JSON.parse(said[0]) as { url: string; dataDirectory: string }),
    stop: async () => {
      child.stdin.end();
      return (await closed)[0] as number | null;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
