export const ROLE = 'sheaf';
export const DATABASE = 'sheaf';
/** Leases live in this database, because advisory locks are per database and `sheaf` may be dropped and made again. */
export const LEASE_DATABASE = 'postgres';

/**
 * Nothing is inherited: a PGDATA, PGOPTIONS or LANG of the user must not change what the server is. PATH is for the shell
 * that initdb runs.
 */
export const CHILD_ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** The same on every machine: UTF-8 that knows the case of letters, sorted by code point, without the system's locales. */
export const INITDB_ARGUMENTS = [
  `--username=${ROLE}`,
  '--auth=scram-sha-256',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--no-instructions',
];

/**
 * Written to postgresql.conf once, when the data directory is made, so that an operator can change them there.
 * For bulk loading on a small machine; a commit stays durable (fsync and synchronous_commit are on).
 */
const TUNING = {
  shared_buffers: '256MB',
  // Joins by hash may take twice as much. More spares temporary files from 400,000 records on, and gains no time that could
  // be measured: but a process of the server would grow with the dataset.
  work_mem: '8MB',
  maintenance_work_mem: '128MB',
  max_connections: '200',
  max_wal_size: '2GB',
  min_wal_size: '160MB',
  // The first to read rows that were loaded marks their pages, and each goes to the WAL: compressing them takes four times
  // the processor time of all the rest.
  wal_compression: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  checkpoint_timeout: '15min',
  synchronous_commit: 'on',
  // Notices within 5 s that the client of a long statement is gone, and so frees what it held.
  client_connection_check_interval: '5s',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Which statement failed is the client's to log; here it would fill the log with data.
  log_min_error_statement: 'panic',
};

export const TUNING_ARGUMENTS = Object.entries(TUNING).map(([name, value]) => `--set=${name}=${value}`);

/** Given on the command line at every start: what Sheaf relies on, whatever postgresql.conf says. */
export function serverArguments(server: { dataDirectory: string; port: number; marker: string }): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // Stands in the command line of every process of this server: this is how they are recognised.
    cluster_name: server.marker,
    logging_collector: 'off',
    log_destination: 'stderr',
    log_line_prefix: '%m [%p] ',
    lc_messages: 'C',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', server.dataDirectory, '-p', String(server.port), ...flags];
}
