import { describe, expect, it } from 'vitest';
import { clientRole, roleOf } from '../../bench/roles.ts';

describe('the role of a process', () => {
  it.each([
    ['postgres: sheaf-1e68-1a08h: checkpointer \0\0', 'checkpointer'],
    ['postgres: sheaf-1e68-1a08h: io worker 2', 'io worker'],
    ['postgres: sheaf-1e68-1a08h: parallel worker for PID 4711 ', 'parallel worker'],
    ['postgres: sheaf-1e68-1a08h: autovacuum worker bench', 'autovacuum worker'],
    ['postgres: autovacuum launcher ', 'autovacuum launcher'],
    ['/usr/lib/postgresql/18/bin/postgres\0-D\0/data\0', 'postgres'],
    ['redis-server 127.0.0.1:6379', 'redis-server'],
    ['/opt/node\0--min-semi-space-size=16\0/opt/sheaf.mjs\0harvest\0', 'node sheaf.mjs'],
    ['/usr/bin/python3\0-m\0celery\0', 'python3 celery'],
    ['/bin/sh\0', 'sh'],
    ['/bin/sh\0-c\0exec /opt/run\0', 'sh'],
  ])('is told by %j', (commandLine, role) => {
    expect(roleOf(commandLine)).toBe(role);
  });

  it('is not told by the command line of one that serves a client of PostgreSQL, whatever it is doing', () => {
    for (const state of ['idle', 'COPY', 'idle in transaction', 'parallel worker'])
      expect(roleOf(`postgres: sheaf-1e68-1a08h: sheaf bench 127.0.0.1(49038) ${state}\0\0`)).toBeNull();
    expect(roleOf('postgres: sheaf bench [local] SELECT')).toBeNull();
  });

  it('is the same for all connections of Sheaf, whose names bear a number', () => {
    expect(clientRole('sheaf-2f1a7c3e-9d40-4b6a-8a51-0c9e6a1f2b3d')).toBe('client sheaf');
    expect(clientRole('sheaf-queue')).toBe('client sheaf-queue');
    expect(clientRole('')).toBe('client without a name');
    expect(clientRole(undefined)).toBe('client without a name');
  });
});
