-- Records that came nested in others: what a run follows, and where they wait for the merge.

alter table sheaf.runs
  add column expand jsonb;               -- the relations that the run follows, as the metadata had them; null: none
alter table sheaf.slices
  add column related bigint not null default 0; -- rows staged beside its records: see sheaf.related
alter table sheaf.rejects
  add column dataset text;               -- of a nested record: its dataset; null: the run's own
alter table sheaf.exports
  add column dataset text;               -- whose records the file holds
update sheaf.exports e set dataset = r.dataset from sheaf.runs r where r.id = e.run_id;
alter table sheaf.exports alter column dataset set not null;
alter table sheaf.exports drop constraint exports_pkey;
alter table sheaf.exports add primary key (run_id, generation, dataset, format);

-- The shape of what a run with relations stages besides its own records: each such run has a table of its own,
-- `related_<run>`, unlogged and dropped like its staging table.
create unlogged table sheaf.related (
  slice_number     integer not null,
  dataset          text,                 -- null: a record of the run's own with all that came in it, for files that nest
  key              text collate "C" not null,
  hash             uuid not null,
  source_timestamp timestamp,
  record           text not null
);

-- Requests that follow relations have watermarks of their own: what came by them has been seen by no other.
create or replace function sheaf.selection_of(request jsonb) returns text language sql immutable as $$
  select md5(case when coalesce(request -> 'expand', 'null') in ('null', '[]')
                  then jsonb_build_array(request -> 'filter', request -> 'select')
                  else jsonb_build_array(request -> 'filter', request -> 'select', request -> 'expand') end::text)
$$;
