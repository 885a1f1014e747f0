-- What a run has found to be other than it was, or than the source says it is. Noted once for each field and kind.

create table sheaf.drift (
  run_id  text not null references sheaf.runs (id) on delete cascade,
  kind    text not null check (kind in ('new', 'gone', 'retyped', 'other-key',                 -- the metadata
                                        'unknown-field', 'missing-field', 'other-type',         -- the records
                                        'view-kept')),                                          -- the typed view
  field   text not null,
  was     text,                          -- the type that it had, or has by the metadata
  "is"    text,                          -- the type that it has now, or that came
  key     text,                          -- a record that shows it
  seen_at timestamptz not null default clock_timestamp(),
  primary key (run_id, kind, field)
);
