-- What merges have found: every insert, update and delete, with what a record was before. From it and from
-- sheaf.records the copy as it was at any moment since can be told (sheaf.records_as_of).

-- Partitioned by month (UTC): months are made ahead, and dropped whole when they are older than is wished.
create table sheaf.changes (
  at       timestamptz not null,         -- the merge's: of one dataset, later merges have later times
  dataset  text not null,
  key      text collate "C" not null,
  kind     text not null check (kind in ('insert', 'update', 'delete')),
  run_id   text not null,                -- no foreign key: a change outlives the ledger of its run
  fields   text[],                       -- of an update: the fields that differ; none where only the spelling does
  before   jsonb,                        -- what the record was; null for an insert
  other_key text collate "C",            -- re-keyed: an insert and a delete of one merge with the same content name each other
  check ((kind = 'insert') = (before is null)),
  check ((kind = 'update') = (fields is not null)),
  check (other_key is null or kind <> 'update')
) partition by range (at);
create index on sheaf.changes (dataset, at, key);

alter table sheaf.datasets
  add column merged_at timestamptz;      -- of the newest merge that changed something
alter table sheaf.installation
  add column changes_from timestamptz not null default now(); -- changes before this are not known

-- Makes the months from this one on that are not there yet. Attached, not created in place: that locks out no reader.
create function sheaf.make_change_months(ahead integer) returns void language plpgsql as $$
declare
  month timestamp; -- UTC
  name text;
begin
  for month in select generate_series(date_trunc('month', now() at time zone 'UTC'),
                                      date_trunc('month', now() at time zone 'UTC') + make_interval(months => ahead),
                                      interval '1 month') loop
    name := 'changes_' || to_char(month, 'YYYY_MM');
    continue when to_regclass('sheaf.' || name) is not null;
    perform pg_advisory_xact_lock(hashtextextended('sheaf change months', 0));
    continue when to_regclass('sheaf.' || name) is not null;
    execute format('create table sheaf.%I (like sheaf.changes including all, check (at >= %L and at < %L))',
                   name, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
    execute format('alter table sheaf.changes attach partition sheaf.%I for values from (%L) to (%L)',
                   name, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
  end loop;
end $$;
select sheaf.make_change_months(2);

-- Drops the months that ended more than `months` ago. Returns their names.
create function sheaf.drop_change_months(months integer) returns setof text language plpgsql as $$
declare
  oldest timestamp := date_trunc('month', now() at time zone 'UTC') - make_interval(months => months);
  name text;
begin
  for name in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where i.inhparent = 'sheaf.changes'::regclass and c.relname < 'changes_' || to_char(oldest, 'YYYY_MM')
              order by c.relname loop
    execute format('drop table sheaf.%I', name);
    update sheaf.installation set changes_from = greatest(changes_from, oldest at time zone 'UTC');
    return next name;
  end loop;
end $$;

-- The fields in which two records differ: by text, because 1.0 and 1 are equal numbers and not the same value.
create function sheaf.differing_fields(before jsonb, after jsonb) returns text[] language sql immutable as $$
  select coalesce(array_agg(coalesce(b.key, a.key) order by coalesce(b.key, a.key)), '{}')
  from jsonb_each_text(before) b full join jsonb_each_text(after) a on a.key = b.key
  where b.key is null or a.key is null or (before -> b.key)::text <> (after -> a.key)::text
$$;

-- The records of a dataset as they were at a moment: today's, with what changed since undone. Records that were there
-- before changes were kept count as they were first seen.
create function sheaf.records_as_of(dataset text, moment timestamptz) returns table (key text, data jsonb)
language plpgsql stable as $$
declare
  known_from timestamptz := (select i.changes_from from sheaf.installation i);
begin
  if moment < known_from then
    raise exception 'changes before % are not known', known_from using errcode = 'invalid_parameter_value';
  end if;
  return query
    with undone as (
      select distinct on (c.key) c.key, c.before from sheaf.changes c
      where c.dataset = records_as_of.dataset and c.at > moment order by c.key, c.at)
    select r.key, coalesce(u.before, r.data) from sheaf.records r left join undone u on u.key = r.key
    where r.dataset = records_as_of.dataset
      and case when u.key is null then r.deleted_at is null else u.before is not null end;
end $$;
