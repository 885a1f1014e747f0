-- Pages that follow each other quickly go into the ledger together: a slice is moved on by several at once.

drop procedure sheaf.advance_slice(text, integer, integer, bigint, integer, integer, integer, integer, bigint, boolean, boolean);

-- Moves a slice on by `new_pages`. The fence: raises SF001 unless this very claim still holds and the run still fetches.
-- is_cut: the slice ends here, and leaves its rest to others. unretried: requests that the pages take when none is tried again.
-- Workers of the version before say nothing of pages, and bring one.
create procedure sheaf.advance_slice(
  run text, slice integer, fence integer, to_cursor bigint, new_records integer, new_rejects integer,
  new_requests integer, unretried integer, new_bytes bigint, is_last boolean, is_cut boolean, new_pages integer default 1)
language plpgsql as $$
begin
  update sheaf.slices s
  set cursor = to_cursor, pages = pages + new_pages, records = records + new_records, rejects = rejects + new_rejects,
      requests = requests + new_requests, retries = retries + new_requests - unretried, bytes = bytes + new_bytes,
      updated_at = now(), staged_at = now(),
      state = case when is_last then 'done' else state end,
      worker_id = case when is_last then null else worker_id end,
      span = case when is_cut then jsonb_set(span, '{upto}', to_jsonb(to_cursor)) else span end
  where run_id = advance_slice.run and number = slice and attempt = fence and state = 'working'
    and exists (select from sheaf.runs r where r.id = advance_slice.run and r.state = 'fetching');
  if not found then
    raise exception 'slice % of run % is no longer held by attempt %', slice, run, fence using errcode = 'SF001';
  end if;
end $$;
