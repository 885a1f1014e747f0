import { once } from 'node:events';
import { startEmbeddedPostgres } from '../../src/embedded/start-embedded-postgres.ts';

// A command that uses the embedded server: says where it is, and stops when its input ends. Ctrl-C does not end it.
process.on('SIGINT', () => undefined);
try {
  const server = await startEmbeddedPostgres({ home: process.argv[2] ?? '' });
  process.stdout.write(`${JSON.stringify({ url: server.url, dataDirectory: server.dataDirectory })}\n`);
  process.stdin.resume();
  await once(process.stdin, 'end');
  await server.stop();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
