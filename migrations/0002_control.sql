-- Pausing a run, and telling every process at once when a run's state changes.

alter table sheaf.runs drop constraint runs_state_check;
-- paused: as fetching, but no slice is worked until a person resumes the run
alter table sheaf.runs add constraint runs_state_check
  check (state in ('planning', 'fetching', 'paused', 'finalising', 'complete', 'partial', 'failed', 'cancelled'));

-- Workers listen on this channel. A message that is lost with its connection costs nothing but time: every page is only
-- taken from a run that fetches (see stagePage), so the ledger alone stops a run within a page.
create function sheaf.announce_run_state() returns trigger
language plpgsql as $$
begin
  perform pg_notify('sheaf_run_state', json_build_object('run', new.id, 'state', new.state)::text);
  return null;
end $$;

create trigger announce_state after update of state on sheaf.runs
  for each row when (old.state is distinct from new.state)
  execute function sheaf.announce_run_state();
