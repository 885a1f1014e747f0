-- Replaying rejects: taking them anew after a fix. A replayed reject is kept, with what came of it.

alter table sheaf.rejects add column replayed_at timestamptz;
-- null: not replayed yet. taken: it is in `records` since then. superseded: something newer is known of it. rejected: it
-- still could not be taken, `reason` is today's, and it may be replayed again.
alter table sheaf.rejects add column outcome text check (outcome in ('taken', 'superseded', 'rejected'));
alter table sheaf.rejects add check ((replayed_at is null) = (outcome is null));

-- Rejects are read run by run, in the order of their ids, some at a time.
create index on sheaf.rejects (run_id, id);
-- Which rejects the records of a key came from, to tell a replay of an older one from a merge.
create index on sheaf.rejects (key collate "C", replayed_at) where outcome = 'taken';
