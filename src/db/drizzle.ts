import { createRequire } from 'node:module';

/**
 * drizzle, loaded as CommonJS. Loaded as ES modules its hundred files make Node's loader read drizzle's very large
 * package.json again for each of them: 1.2 s and 220 MB before the first statement, against 0.1 s and 25 MB this way
 * (Node 24.21). Everything else imports drizzle from here.
 */
const require = createRequire(import.meta.url);

export const { and, asc, desc, eq, gt, inArray, isNotNull, isNull, like, lt, not, or, sql } =
  require('drizzle-orm/sql') as typeof import('drizzle-orm/sql');
export const { bigint, boolean, integer, jsonb, pgSchema, primaryKey, real, text, timestamp } =
  require('drizzle-orm/pg-core') as typeof import('drizzle-orm/pg-core');
export const { drizzle } = require('drizzle-orm/node-postgres') as typeof import('drizzle-orm/node-postgres');

/** What migrates, loaded when something is to be migrated. */
export function loadMigrator(): typeof import('drizzle-orm/node-postgres/migrator') {
  return require('drizzle-orm/node-postgres/migrator') as typeof import('drizzle-orm/node-postgres/migrator');
}
