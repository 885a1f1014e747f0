import { expect, it } from 'vitest';
import { start } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';

it('logs requests as JSON lines: route, status, time and who asked, and no word of the address', async () => {
  const server = start(['serve', '--port', '0'], { DATABASE_URL: await freshDatabaseUrl(), SHEAF_LOG_LEVEL: 'debug' });
  let said = '';
  server.process.stderr?.on('data', (text: string) => {
    said += text;
  });
  await server.says(/Serving on (\S+?)\. /);
  const url = /Serving on (\S+?)\. /.exec(said)?.[1] ?? '';
  await fetch(`${url}/healthz?token=abc123`);
  await fetch(`${url}/nowhere/abc123`, { headers: { authorization: 'Bearer abc123' } });
  await server.says(/"status":404/);
  server.process.kill('SIGTERM');
  const { stderr } = await server.finished;
  const lines = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === 'http.answered');
  expect(lines).toEqual([
    expect.objectContaining({ level: 20, method: 'GET', route: '/healthz', status: 200 }),
    expect.objectContaining({ level: 30, method: 'GET', route: 'unknown', status: 404, actor: expect.any(String) }),
  ]);
  expect(stderr).not.toContain('abc123');
});
