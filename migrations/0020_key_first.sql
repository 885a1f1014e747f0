-- Each dataset has a partition of its own, in which the name of the dataset tells no two records apart: in front, it was compared
-- first all the same, with each step of a sort and of a search. Takes some seconds for each million records that are there.
alter table sheaf.records
  drop constraint records_pkey,
  add primary key (key, dataset);

drop index sheaf.records_dataset_length_key_idx;
create index on sheaf.records (length(key), key, dataset);
