-- What is to be told to others when a run ends: an outbox, so that the end of a run and the message of it are one write.

-- States: waiting (to be delivered, or nobody of the fleet is set up to) -> delivered | unwanted | given-up
create table sheaf.notifications (
  number        bigint generated always as identity primary key,  -- the order of delivery within a run
  id            text not null,          -- of the message, for the receiver: <run>_<generation>; the same on every try
  channel       text not null check (channel in ('webhook', 'command')),
  run_id        text not null references sheaf.runs (id) on delete cascade,
  run_state     text not null,          -- how the run ended, with what follows: it may have been opened again since
  reason        text,
  error         jsonb,
  ended_at      timestamptz not null,
  state         text not null default 'waiting' check (state in ('waiting', 'delivered', 'unwanted', 'given-up')),
  attempts      integer not null default 0,   -- tries begun
  due_at        timestamptz not null default now(),
  worker_id     integer references sheaf.workers (id) on delete set null,  -- who is at it
  claimed_until timestamptz,            -- when whoever is at it counts as lost
  body          text,                   -- as first sent, so that every try says the same; null before that
  detail        text,                   -- what came of the last try
  settled_at    timestamptz,
  unique (id, channel),
  check ((state = 'waiting') = (settled_at is null))
);
create index on sheaf.notifications (run_id);
create index on sheaf.notifications (due_at) where state = 'waiting';
create index on sheaf.notifications (settled_at) where state <> 'waiting';

create function sheaf.note_run_end() returns trigger
language plpgsql as $$
begin
  insert into sheaf.notifications (id, channel, run_id, run_state, reason, error, ended_at)
  select new.id || '_' || new.generation, channel, new.id, new.state, new.reason, new.error, new.finished_at
  from unnest(array['webhook', 'command']) as channel
  on conflict (id, channel) do nothing;
  return null;
end $$;

-- On the table, so that no way of ending a run can forget it.
create trigger note_end after update of state on sheaf.runs
  for each row when (old.state is distinct from new.state
                     and new.state in ('complete', 'partial', 'failed', 'cancelled'))
  execute function sheaf.note_run_end();
