-- Schedules: what is to be harvested when, and every time that it was. PostgreSQL is the truth: BullMQ's job schedulers
-- only come and ask, and so does a duty of every worker.

create table sheaf.schedules (
  id                 integer generated always as identity primary key,
  name               text not null unique check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  cron               text not null,
  time_zone          text not null,          -- of the IANA database; the cron expression is read in it
  requests           jsonb not null,         -- [HarvestRequest]: one run of each, every time
  overlap            text not null check (overlap in ('skip', 'queue', 'cancel', 'allow')),
  catch_up           text not null check (catch_up in ('none', 'latest', 'all')),
  catch_up_window_ms bigint not null check (catch_up_window_ms > 0),
  jitter_ms          integer not null check (jitter_ms >= 0),
  -- The next due time. Whoever moves it on, by compare-and-set, has taken the firing that was due: one of any number.
  -- Null while paused, and when no further time will ever be due.
  next_at            timestamptz,
  paused_at          timestamptz,
  created_at         timestamptz not null default now(),
  check (paused_at is null or next_at is null)
);

-- States of a firing: waiting (until start_at, for its turn, or to be tried again) -> starting (one worker plans its
-- runs) -> started | failed (not all of its runs could be planned); waiting -> skipped. A worker that dies while it
-- plans puts it back to waiting. `attempt` is the fence: each claim raises it, and only the current one may write.
create table sheaf.schedule_firings (
  id          bigint generated always as identity primary key,
  schedule_id integer not null references sheaf.schedules (id) on delete cascade,
  kind        text not null check (kind in ('cron', 'catch-up', 'manual', 'backfill')),
  due_at      timestamptz not null,      -- its identity; jitter and retries do not move it
  state       text not null default 'waiting' check (state in ('waiting', 'starting', 'started', 'skipped', 'failed')),
  start_at    timestamptz not null,      -- it is not to be started before this
  attempt     integer not null default 0,
  failures    integer not null default 0,  -- attempts to plan its runs that failed, or whose worker died
  worker_id   integer references sheaf.workers (id),
  reason      text,                      -- why it was skipped, is waiting again, or failed
  error       jsonb,                     -- the last one
  created_at  timestamptz not null default now(),
  settled_at  timestamptz,
  check ((state = 'starting') = (worker_id is not null)),
  check ((state in ('started', 'skipped', 'failed')) = (settled_at is not null))
);
create unique index on sheaf.schedule_firings (schedule_id, due_at) where kind in ('cron', 'catch-up');
create index on sheaf.schedule_firings (schedule_id, id);
create index on sheaf.schedule_firings (state) where state in ('waiting', 'starting');

-- The runs of a firing. Their ids are written before they are planned, so that whoever takes over from a worker that
-- died finds what it had planned.
create table sheaf.schedule_runs (
  firing_id bigint not null references sheaf.schedule_firings (id) on delete cascade,
  position  integer not null,            -- in the schedule's requests, from 0
  run_id    text not null unique,        -- of sheaf.runs, where it has come so far
  primary key (firing_id, position)
);
