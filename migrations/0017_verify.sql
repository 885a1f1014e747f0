-- Runs that look at keys only (request ->> 'keysOnly'), and runs that repair: over ranges of keys in which the copy was
-- found to differ from the source.

alter table sheaf.runs
  add column ranges jsonb; -- of a repair: [{after, upto}], the only keys that it speaks of; null: all of the span

-- Whether a run was over all records of a dataset, with their content: what it has seen is newer than what was before.
create function sheaf.is_full_sweep(run sheaf.runs) returns boolean language sql immutable as $$
  select run.time_window is null and run.ranges is null and run.request ->> 'filter' is null
     and run.request ->> 'select' is null and run.request ->> 'maxRecords' is null
     and coalesce(run.request ->> 'keysOnly', 'false') = 'false'
$$;

-- A key as a number, so that ranges of keys can be asked for; null for one that is none.
create function sheaf.number_of_key(key text) returns bigint language sql immutable as $$
  select case when key ~ '^-?[0-9]{1,18}$' then key::bigint end
$$;
