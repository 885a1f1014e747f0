-- A dataset's partition of sheaf.records is made when its first records are: how, is decided by the size of the dataset, and
-- not by that of a first harvest of a part of it.
alter table sheaf.datasets
  add column expected bigint;            -- what the source counted when it was first planned; null: it was not asked, or does not count
