-- Who is told of changes, and how far each has been told. The changes themselves are those of sheaf.changes: nothing is
-- copied, and a merge does nothing more than before.

create table sheaf.subscriptions (
  id          integer generated always as identity primary key,
  name        text not null unique,
  kind        text not null check (kind in ('webhook', 'kafka')),
  target      text not null,               -- the URL, or the brokers as host:port, separated by commas; never a secret
  prefix      text,                        -- of the topics
  tombstones  boolean not null default false, -- deletes as messages without a value, for compacted topics
  datasets    text[],                      -- null: all, those to come too
  created_at  timestamptz not null default now(),
  paused_at   timestamptz,
  paused_for  text,                        -- why, when it was not a person who did it
  check ((kind = 'kafka') = (prefix is not null)),
  check (paused_at is not null or paused_for is null)
);

-- How far a subscriber has been told of a dataset. Changes come in the order (at, key); those of one merge bear one `at`.
create table sheaf.feed_positions (
  subscription_id integer not null references sheaf.subscriptions (id) on delete cascade,
  dataset         text not null,
  at              timestamptz not null,    -- what follows (at, key) is to be told;
  key             text collate "C" not null default '', -- '' before all changes of that moment
  claim           bigint not null default 0,  -- the fence: raised by each claim, and by setting the position anew
  replays         integer not null default 0, -- how often it was set anew: what is told again has other ids
  worker_id       integer references sheaf.workers (id) on delete set null, -- who is at it
  claimed_until   timestamptz,             -- when whoever is at it counts as lost
  served_at       timestamptz,             -- when it was last claimed: the one that has waited longest comes first
  failures        integer not null default 0, -- tries that have failed since the last that did not
  due_at          timestamptz not null default now(), -- no try before this
  error           text,                    -- what came of the last try; null when it went well
  delivered_at    timestamptz,             -- when the receiver last took something
  gap_at          timestamptz,             -- when changes were dropped that it had not been told: it waits to be set anew
  primary key (subscription_id, dataset)
);

-- What a record was after a change is what the next change of it says was before. Inserts are never that next change, and
-- are most of what there is: they stay out, so that a first harvest, and a merge that finds nothing, pay nothing for it.
create index on sheaf.changes (dataset, key, at) where kind <> 'insert';

-- Subscriptions to everything get a position for datasets that are new: from the first change that is known.
create function sheaf.add_feed_positions() returns void language sql as $$
  insert into sheaf.feed_positions (subscription_id, dataset, at)
  select s.id, d.name, i.changes_from
  from sheaf.subscriptions s cross join sheaf.datasets d cross join sheaf.installation i
  where s.datasets is null
    and not exists (select from sheaf.feed_positions p where p.subscription_id = s.id and p.dataset = d.name)
  on conflict do nothing
$$;

-- The positions that still wait for changes from `begins` on and before `ends`.
create function sheaf.untold_positions(begins timestamptz, ends timestamptz) returns setof sheaf.feed_positions
language sql stable as $$
  select p.* from sheaf.feed_positions p
  where p.at < ends and p.gap_at is null
    and exists (select from sheaf.changes c
                where c.dataset = p.dataset and c.at >= greatest(begins, p.at) and c.at < ends
                  and (c.at, c.key) > (p.at, p.key))
$$;

drop function sheaf.drop_change_months(integer);

-- Drops the months that ended more than `months` ago, the oldest first. A month with changes that a subscriber has not
-- been told is held, and all after it, for `held` months more; then it goes, and whoever has not had it has a gap. While a
-- merge is under way, nothing is dropped: whoever waited for it would make all others wait, readers too.
create function sheaf.drop_change_months(months integer, held integer)
returns table (outcome text, name text, dataset text) language plpgsql set lock_timeout = '1s' as $$
declare
  oldest timestamp := date_trunc('month', now() at time zone 'UTC') - make_interval(months => months);
  part text;
  month timestamp; -- UTC
  begins timestamptz;
  ends timestamptz;
begin
  perform sheaf.add_feed_positions();
  for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where i.inhparent = 'sheaf.changes'::regclass and c.relname < 'changes_' || to_char(oldest, 'YYYY_MM')
              order by c.relname loop
    month := to_date(substr(part, 9), 'YYYY_MM');
    begins := month at time zone 'UTC';
    ends := (month + interval '1 month') at time zone 'UTC';
    if month >= oldest - make_interval(months => held) and exists (select from sheaf.untold_positions(begins, ends)) then
      return query select 'held', part, null::text;
      return;
    end if;
    begin
      lock table only sheaf.changes in access exclusive mode;
    exception when lock_not_available then
      return query select 'postponed', part, null::text;
      return;
    end;
    return query
      with gap as (
        update sheaf.feed_positions p set gap_at = now() from sheaf.untold_positions(begins, ends) u
        where p.subscription_id = u.subscription_id and p.dataset = u.dataset
        returning p.subscription_id, p.dataset)
      select 'gap', s.name, g.dataset from gap g join sheaf.subscriptions s on s.id = g.subscription_id;
    execute format('drop table sheaf.%I', part);
    update sheaf.installation set changes_from = greatest(changes_from, ends);
    return query select 'dropped', part, null::text;
  end loop;
end $$;
