-- The ledger: what is to be harvested, how far it has come, and what came of it.
-- PostgreSQL is the truth about a run; the queue only carries references to rows of these tables.

create schema if not exists sheaf;

-- One row: which installation this database belongs to. Queues are named after it, so that two installations can share
-- one Redis without taking each other's jobs.
create table sheaf.installation (
  only_row   boolean primary key default true check (only_row),
  id         text not null default substr(md5(gen_random_uuid()::text), 1, 8),
  created_at timestamptz not null default now()
);
insert into sheaf.installation default values;

create table sheaf.datasets (
  name          text primary key check (name like '%/%'),
  id            integer generated always as identity unique,  -- short name of its partitions
  source        text not null,
  entity        text not null,
  key_field     text not null,
  fields        jsonb not null,        -- [{name, type, isNullable}] in the metadata's order
  created_at    timestamptz not null default now(),
  fields_at     timestamptz not null default now()            -- when the metadata was last seen to differ
);

-- A process that works slices. It holds a session-level advisory lock (see sheaf.worker_is_alive) for as long as it
-- lives, so that its death is seen at once; the heartbeat covers a machine that vanished without closing its connection.
create table sheaf.workers (
  id           integer generated always as identity primary key,
  host         text not null,
  pid          integer not null,
  session      text not null,   -- the application_name of all its connections
  version      text not null,
  concurrency  integer not null check (concurrency > 0),
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  stopped_at   timestamptz
);

-- 7306 is Sheaf's class of advisory locks that workers hold.
create function sheaf.worker_is_alive(worker integer) returns boolean
language sql stable as $$
  select exists (
           select from sheaf.workers w
           where w.id = worker and w.stopped_at is null and w.heartbeat_at > now() - interval '60 seconds')
     and exists (
           select from pg_locks l
           where l.locktype = 'advisory' and l.classid = 7306 and l.objid = worker::oid and l.objsubid = 2
             and l.database = (select oid from pg_database where datname = current_database()))
$$;

-- States of a run, and who moves it on:
--   planning    the producer is writing its slices; not sealed yet, so nothing may finalise it
--   fetching    sealed; workers fetch its slices
--   finalising  the last slice settled; one finaliser verifies, merges, exports and publishes
--   complete    published, and proved to hold exactly the source's records
--   partial     published, with something missing or unproved; the reason says what
--   failed      nothing was published; the reason says why; `sheaf resume` goes on from what is there
--   cancelled   a person ended it; nothing was published
create table sheaf.runs (
  id              text primary key,
  dataset         text not null references sheaf.datasets (name),
  request         jsonb not null,
  entity          jsonb not null,       -- the entity as the metadata described it at plan time: workers need not ask again
  state           text not null default 'planning'
                  check (state in ('planning', 'fetching', 'finalising', 'complete', 'partial', 'failed', 'cancelled')),
  reason          text,
  error           jsonb,
  source_url      text not null,        -- where the records come from, without secrets
  strategy        text not null,
  span            jsonb not null,       -- {after, upto}: what the slices must cover together
  page_size       integer not null check (page_size > 0),
  expected        bigint,               -- what the source counted at plan time; null when it does not count
  generation      integer not null default 1 check (generation > 0),   -- goes up when failed slices are repaired
  attempt         integer not null default 0,                          -- the fence of the finaliser
  finaliser       integer references sheaf.workers (id),
  plan_requests   integer not null default 0,
  created_at      timestamptz not null default now(),
  sealed_at       timestamptz,
  slice_count     integer,              -- set by the seal, raised by splits
  merged_generation integer not null default 0,
  merge           jsonb,                -- {inserted, updated, unchanged, deleted} of merged_generation
  proof           jsonb,                -- what verification found
  finished_at     timestamptz,
  check ((sealed_at is null) = (slice_count is null)),
  check (state = 'planning' or sealed_at is not null or state in ('failed', 'cancelled')),
  check ((state in ('complete', 'partial', 'failed', 'cancelled')) = (finished_at is not null))
);
create index on sheaf.runs (dataset, created_at desc);
create index on sheaf.runs (state) where state in ('planning', 'fetching', 'finalising');

-- States of a slice: pending (waits for a worker) -> working (one worker holds it) -> done | failed; a worker that
-- stops, or dies, puts it back to pending. `attempt` is the fence: each claim raises it, and a page is only taken from
-- the claim that holds the current one.
create table sheaf.slices (
  run_id      text not null references sheaf.runs (id) on delete cascade,
  number      integer not null,
  state       text not null default 'pending' check (state in ('pending', 'working', 'done', 'failed')),
  span        jsonb not null,           -- {after, upto}
  cursor      bigint,                   -- everything up to here is staged; null before the first page
  attempt     integer not null default 0,
  failures    integer not null default 0,  -- attempts used up; handing back and postponing use none
  worker_id   integer references sheaf.workers (id),
  pages       integer not null default 0,
  records     bigint not null default 0,   -- staged rows
  rejects     integer not null default 0,
  requests    integer not null default 0,  -- sent, answered or not
  retries     integer not null default 0,  -- of these, repeats of one that failed
  bytes       bigint not null default 0,
  error       jsonb,                    -- the last one
  updated_at  timestamptz not null default now(),
  primary key (run_id, number),
  check ((state = 'working') = (worker_id is not null))
);
-- Not on `state` alone: the row is rewritten with every page, and an index that does not move keeps those updates HOT.
create index on sheaf.slices (run_id) where state = 'failed';

create table sheaf.rejects (
  id            bigint generated always as identity primary key,
  run_id        text not null references sheaf.runs (id) on delete cascade,
  slice_number  integer not null,
  key           text,
  reason        text not null,
  detail        text not null,
  record        text not null,          -- as the source sent it, as JSON text
  created_at    timestamptz not null default now()
);
create index on sheaf.rejects (run_id, slice_number);

create table sheaf.exports (
  run_id      text not null references sheaf.runs (id) on delete cascade,
  generation  integer not null,
  format      text not null,
  path        text not null,
  records     bigint not null,
  bytes       bigint not null,
  sha256      text not null,
  created_at  timestamptz not null default now(),
  primary key (run_id, generation, format)
);

-- The shape of every staging table. Each run has a table of its own, `staging_<run>`, made from this one: unlogged, and
-- dropped when the run ends. A crash of PostgreSQL empties it; verification notices and has those slices fetched again.
create unlogged table sheaf.staging (
  slice_number     integer not null,
  key              text collate "C" not null,
  hash             uuid not null,        -- 128 bits of SHA-256 over the record's text; uuid is the 16-byte type
  source_timestamp timestamp,
  record           text not null
);

-- The current state of every dataset. A partition is made for a dataset when it is first harvested.
create table sheaf.records (
  dataset          text not null,
  key              text collate "C" not null,
  data             jsonb not null,       -- the source's own fields, lossless
  hash             uuid not null,
  source_timestamp timestamp,            -- as the source says, in its own local time
  first_seen_at    timestamptz not null,
  changed_at       timestamptz not null,
  deleted_at       timestamptz,
  primary key (dataset, key)
) partition by list (dataset);
