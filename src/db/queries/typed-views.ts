import { createHash } from 'node:crypto';
import pg from 'pg';
import { isStoreTrouble } from '../../domain/classify.ts';
import type { Entity, Field, FieldType } from '../../domain/record.ts';
import { type Database, inTransaction } from '../database.ts';

const { escapeIdentifier, escapeLiteral } = pg;

interface ViewFacts {
  readonly source: string;
  readonly entities: readonly Pick<Entity, 'name' | 'fields'>[];
}

/** A view as it should be. */
interface TypedView {
  readonly entity: string;
  /** `oda."Sag"` */
  readonly name: string;
  readonly create: string;
  /** Marks the view with what it was made by: it need not be made again as long as that is the same. */
  readonly mark: string;
  readonly comment: string;
}

/**
 * Makes sure that every entity of a source has its typed view, such as `oda."Sag"`: harvested ones by the fields that
 * their dataset goes by, the others, empty, by the metadata. One query where nothing has changed; else one transaction,
 * one process at a time.
 *
 * A view that somebody has built on, and that cannot be replaced as it stands, is left as it is: their work comes first,
 * and every field is in `data` all the same. Returns the entities of such views.
 */
export async function ensureViews(database: Database, facts: ViewFacts): Promise<readonly string[]> {
  if ((await findOutdated(database.pool, facts)).length === 0) return [];
  return inTransaction(database.pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(hashtextextended('sheaf views', 0))`);
    // A view that is being read cannot be replaced. Whoever waits for it longer than this holds up all other readers.
    await client.query(`set local lock_timeout = '3s'`);
    const views = await findOutdated(client, facts);
    if (views.length === 0) return [];
    await client.query(`create schema if not exists ${escapeIdentifier(facts.source)}`);
    const all = views.map(({ create, comment }) => `${create};\n${comment}`).join(';\n');
    if (await succeeds(client, all)) return [];
    const kept: string[] = [];
    for (const view of views) if (!(await replace(client, view))) kept.push(view.entity);
    return kept;
  });
}

async function findOutdated(client: pg.Pool | pg.PoolClient, { source, entities }: ViewFacts): Promise<TypedView[]> {
  const { rows: known } = await client.query<Pick<Entity, 'name' | 'fields'>>(
    'select entity as name, fields from sheaf.datasets where source = $1',
    [source],
  );
  const { rows: made } = await client.query<{ comment: string }>(
    `select obj_description(c.oid, 'pg_class') as comment from pg_class c
     where c.relnamespace = to_regnamespace($1) and c.relkind = 'v'`,
    [escapeIdentifier(source)],
  );
  const byName = new Map([...entities, ...known].map((entity) => [entity.name, entity]));
  const comments = new Set(made.map(({ comment }) => comment));
  return [...byName.values()].map((entity) => describeView(source, entity)).filter(({ mark }) => !comments.has(mark));
}

async function replace(client: pg.PoolClient, { name, create, comment }: TypedView): Promise<boolean> {
  if (await succeeds(client, `${create};\n${comment}`)) return true;
  return succeeds(client, `drop view ${name};\n${create};\n${comment}`);
}

/** Runs statements that may fail without spoiling the transaction that they are part of. */
async function succeeds(client: pg.PoolClient, statements: string): Promise<boolean> {
  await client.query('savepoint attempt');
  try {
    await client.query(statements);
    await client.query('release savepoint attempt');
    return true;
  } catch (error) {
    if (isStoreTrouble(error) && (error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
    await client.query('rollback to savepoint attempt');
    return false;
  }
}

const LOCK_NOT_AVAILABLE = '55P03';

/** The metadata's fields with their types, over the rows that still exist at the source. */
function describeView(source: string, { name: entity, fields }: Pick<Entity, 'name' | 'fields'>): TypedView {
  const name = `${escapeIdentifier(source)}.${escapeIdentifier(entity)}`;
  const dataset = `${source}/${entity}`;
  const columns = fields.map(columnOf).join(',\n  ');
  const create =
    `create or replace view ${name} as select\n  ${columns}\n` +
    `from sheaf.records where dataset = ${escapeLiteral(dataset)} and deleted_at is null`;
  const mark = `The records of ${dataset}, typed; made by Sheaf (${createHash('sha256').update(create).digest('hex').slice(0, 16)})`;
  return { entity, name, create, mark, comment: `comment on view ${name} is ${escapeLiteral(mark)}` };
}

const POSTGRES_TYPES: Readonly<Record<FieldType, string>> = {
  boolean: 'boolean',
  smallint: 'smallint',
  integer: 'integer',
  bigint: 'bigint',
  numeric: 'numeric',
  double: 'double precision',
  text: 'text',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  date: 'date',
  uuid: 'uuid',
  json: 'jsonb',
};

/** Whole numbers of so few digits fit their type for certain: found out faster than by asking whether they do. */
const SAFE_DIGITS: Partial<Readonly<Record<FieldType, number>>> = { smallint: 4, integer: 9, bigint: 18 };

/** A value that the type cannot hold is null in the view, instead of making every query fail that meets with it. */
function columnOf({ name, type }: Field): string {
  return `${castOf(`data ->> ${escapeLiteral(name)}`, { name, type })} as ${escapeIdentifier(name)}`;
}

function castOf(text: string, { name, type }: Pick<Field, 'name' | 'type'>): string {
  if (type === 'json') return `data -> ${escapeLiteral(name)}`;
  if (type === 'text') return text;
  if (type === 'boolean') return `case ${text} when 'true' then true when 'false' then false end`;
  const cast = `(${text})::${POSTGRES_TYPES[type]}`;
  const digits = SAFE_DIGITS[type];
  const quick = digits === undefined ? '' : ` when ${text} ~ '^-?[0-9]{1,${digits}}$' then ${cast}`;
  return `case${quick} when pg_input_is_valid(${text}, '${POSTGRES_TYPES[type]}') then ${cast} end`;
}
