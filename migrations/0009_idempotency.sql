-- Starting a run over HTTP once, however often it is asked for, and what browsing reads.

-- A client that repeats a request, because it was not answered, gives the same key again. The run's id is chosen when
-- the key is first seen: however many plan under it, in however many processes, `runs` takes one of them. A key is
-- forgotten after a day.
create table sheaf.idempotency (
  actor       text not null,        -- whose key it is: others may choose the same
  key         text not null,
  fingerprint text not null,        -- SHA-256 of what was asked for
  run_id      text not null,        -- what its run is, or will be, called; there is no such run before it is planned
  attempt     integer not null default 1,  -- goes up each time that somebody sets out to plan it
  busy_until  timestamptz not null, -- somebody plans it until then, unless that process has died
  created_at  timestamptz not null default now(),
  primary key (actor, key)
);
create index on sheaf.idempotency (created_at); -- for what has grown old

-- The list of all runs is read a page at a time, the newest first.
create index on sheaf.runs (created_at desc, id desc);

-- Browsing a dataset in the order of its keys, numbers as numbers: a page is read without sorting, and so is an export.
-- Some ten per cent of a merge's time for rows that are new; nothing for those that stay as they are.
create index on sheaf.records (dataset, length(key), key);

-- What has changed since a time. Merges write what changed in one place: a few bytes for each megabyte tell where.
create index on sheaf.records using brin ((coalesce(deleted_at, changed_at)));
