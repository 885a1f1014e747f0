-- Steps: runs over what has changed since the last complete run of the same. How far those have seen is the watermark.

alter table sheaf.runs
  add column time_window   jsonb,      -- {from, before, withUntimed}: what a step covers, by the source's clock; null: a sweep
  add column source_latest timestamp,  -- the latest timestamp that the source had when the run was planned; null: not known
  add column is_planned_whole boolean not null default false; -- what there is came with the plan, together with its count

-- Up to where the copy has been seen to hold what one request selects: moved in the transaction that ends a complete run
-- and never back. In the source's own local time.
create table sheaf.watermarks (
  dataset    text not null references sheaf.datasets (name) on delete cascade,
  source_url text not null,           -- another server's times say nothing about this one's
  selection  text not null,           -- sheaf.selection_of the request
  filter     text,                    -- the same, for readers
  fields     jsonb,
  reached    timestamp not null,
  run_id     text not null,           -- the run that moved it last; no foreign key: it outlives the ledger of its run
  moved_at   timestamptz not null default now(),
  primary key (dataset, source_url, selection)
);

-- What a request selects, as one short word: requests that select the same share a watermark.
create function sheaf.selection_of(request jsonb) returns text language sql immutable as $$
  select md5(jsonb_build_array(request -> 'filter', request -> 'select')::text)
$$;
