-- Who did what, and the key of the sessions that people sign in to.

create table sheaf.audit (
  id          bigint generated always as identity primary key,
  at          timestamptz not null default now(),
  -- the name in SHEAF_ACCESS; local: on this machine, where nobody had to sign in; user@host: on the command line;
  -- unknown: a sign-in by a name that is not in SHEAF_ACCESS, which is not kept: it may be a password in the wrong field
  actor       text not null,
  role        text check (role in ('viewer', 'operator')), -- null: not signed in
  via         text not null check (via in ('api', 'page', 'board', 'cli', 'schedule')),
  address     text, -- null where nothing came over the network
  action      text not null,
  target_kind text,
  target_id   text,
  details     jsonb not null default '{}',
  -- done; refused: it made no sense, or was not allowed; failed: it was attempted, and something went wrong
  outcome     text not null check (outcome in ('done', 'refused', 'failed')),
  check ((target_kind is null) = (target_id is null))
);
create index on sheaf.audit (at); -- for what has grown old
create index on sheaf.audit (target_kind, target_id, id);

-- Seals the cookies of sessions, as 64 hexadecimal digits. In the database, so that all servers share it and a restart
-- signs nobody out. It alone lets nobody in: a session is also bound to the hash in SHEAF_ACCESS, which is not in here.
alter table sheaf.installation add column session_key text not null
  default encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex');
