import { Socket } from 'node:net';
import pg from 'pg';
import type { Cluster } from './cluster.ts';
import { LEASE_DATABASE, ROLE } from './server-settings.ts';

/** The socket is there for its `ref` and `unref`: whether the connection holds the process open. */
export type Connection = { client: pg.Client; socket: Socket };

/** A connection of a lease or a keeper. */
export async function connect(cluster: Cluster, port: number, name: string): Promise<Connection> {
  const socket = new Socket();
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: ROLE,
    password: cluster.password,
    database: LEASE_DATABASE,
    application_name: name,
    // Said outright, because pg would take them from the environment.
    ssl: false,
    options: '',
    connectionTimeoutMillis: 10_000,
    stream: () => socket,
  });
  // Without a listener, a server that goes away would end the process; every user of the client notices by itself.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return { client, socket };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export function connectionUrl(cluster: Cluster, port: number, database: string): string {
  return `postgres://${ROLE}:${cluster.password}@127.0.0.1:${port}/${database}?sslmode=disable`;
}
