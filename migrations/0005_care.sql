-- Care for sources, and for workers: what a source was found to bear, slices that kill their workers, work that waits.

alter table sheaf.gates
  add column learnt_limit real,        -- requests a second that the fleet was allowed when the source last throttled it
  add column learnt_kept  real,        -- the part of it with which the fleet went on
  add column learnt_guess boolean,     -- whether that limit is no more than a guess
  add column learnt_at    timestamptz; -- when that was; it counts for a minute

alter table sheaf.slices
  -- it is not to be worked before this; by the database's clock, so that no machine's clock can hold it back
  add column due_at timestamptz not null default now(),
  -- when it last staged a page: what counts as progress
  add column staged_at timestamptz;

-- when the worker last had both its stores, and took work if there was any; `sheaf worker --check` asks for it
alter table sheaf.workers add column well_at timestamptz;

-- What each worker holds is looked up every few seconds. Pages change neither column, so their updates stay HOT.
create index on sheaf.slices (worker_id) where state = 'working';

-- when a run without progress was last reported
alter table sheaf.runs add column stalled_at timestamptz;

-- Workers that were found dead while they held a slice.
create table sheaf.slice_deaths (
  run_id       text not null references sheaf.runs (id) on delete cascade,
  slice_number integer not null,
  worker_id    integer not null references sheaf.workers (id),
  found_at     timestamptz not null default now()
);
create index on sheaf.slice_deaths (run_id, slice_number);

-- How many workers have died with a slice since it last staged a page. One that has beaten since was only cut off.
create function sheaf.deaths_with(slice sheaf.slices) returns integer
language sql stable as $$
  select count(*)::integer
  from sheaf.slice_deaths d join sheaf.workers w on w.id = d.worker_id
  where d.run_id = slice.run_id and d.slice_number = slice.number
    and d.found_at > coalesce(slice.staged_at, '-infinity') and w.heartbeat_at <= d.found_at
$$;
