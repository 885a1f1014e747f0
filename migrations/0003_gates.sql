-- What lets requests to a source through, shared by the whole fleet. Written only when something goes wrong or gets
-- well again, so that it is no hot row.
create table sheaf.gates (
  source       text primary key,
  -- closed: requests pass. open: none passes before `closed_until`. half-open: a probe of one process is under way.
  breaker      text not null default 'closed' check (breaker in ('closed', 'open', 'half-open')),
  failures     integer not null default 0,   -- failed requests in a row, of all workers together
  times_opened integer not null default 0,   -- in a row; each time the pause doubles
  closed_until timestamptz,                  -- no request before this: the breaker's pause, or the source's Retry-After
  probe_until  timestamptz,                  -- when that probe counts as lost
  error        jsonb,                        -- the last failure
  updated_at   timestamptz not null default now()
);

create function sheaf.announce_gate() returns trigger
language plpgsql as $$
begin
  perform pg_notify('sheaf_gate', new.source);
  return null;
end $$;

create trigger announce_gate after insert or update on sheaf.gates
  for each row execute function sheaf.announce_gate();
