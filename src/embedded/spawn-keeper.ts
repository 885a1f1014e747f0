import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster } from './cluster.ts';

/**
 * In a session of its own, so that Ctrl-C in the terminal passes it by; without anything of ours open, so that it holds up
 * nobody who waits for our output to end; in no folder that somebody may want to unmount; and with no environment, so that a
 * NODE_OPTIONS meant for the command (a debugger's, say) does not reach it.
 */
export function spawnKeeper(cluster: Cluster, purpose: 'coming server' | 'running server'): ChildProcess {
  const here = fileURLToPath(import.meta.url);
  // Beside this file and with its ending: .ts as it is, .js when compiled.
  const script = fileURLToPath(new URL(`./keeper${extname(here)}`, import.meta.url));
  const servesSince = purpose === 'coming server' ? Date.now() : 0;
  const keeper = spawn(process.execPath, [script, cluster.dataDirectory, String(servesSince)], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: 'ignore',
  });
  // Without a keeper everything works, but a command that is killed leaves the server to the next one.
  keeper.on('error', () => undefined);
  keeper.unref();
  return keeper;
}
