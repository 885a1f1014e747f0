-- What runs have done over time, for charts. Each worker adds to it every few seconds, for all its runs in one
-- statement; never page by page.
create table sheaf.run_samples (
  run_id       text not null references sheaf.runs (id) on delete cascade,
  at           timestamptz not null,          -- where the bucket begins
  -- How long the bucket is. The longer a run has gone on, the longer: a run has some 1,200 buckets after two days, and 24
  -- a day after that.
  seconds      integer not null check (seconds > 0),
  pages        integer not null default 0,    -- staged
  records      bigint not null default 0,     -- staged
  rejects      integer not null default 0,
  requests     integer not null default 0,    -- for these pages, answered or not
  retries      integer not null default 0,    -- of these, repeats of one that failed
  fetch_ms     bigint not null default 0,     -- how long the answered requests took, together
  fetch_max_ms integer not null default 0,    -- and the slowest of them
  stage_ms     bigint not null default 0,     -- how long staging took, together
  primary key (run_id, at)
);
