-- What a source that changes while it is read makes of a run: slices that are fetched again, and a longer span.
alter table sheaf.runs
  add column rereads          integer not null default 0 check (rereads >= 0),       -- rounds of it, in this generation
  add column reread_slices    integer not null default 0 check (reread_slices >= 0), -- slices sent back, in this generation
  add column is_extended      boolean not null default false, -- the span was made longer, which is done once a generation
  add column count_before     bigint,       -- what `expected` was before it was first counted anew; null: never was
  add column unanswered_since timestamptz,  -- the source has not said since then how many records it has; null: it has
  add column finalise_due_at timestamptz;   -- it is not to be finalised before this; null: at once
