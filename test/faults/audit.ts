/**
 * Written into the suite's template database: triggers that write down, in the very transactions, every move of a run
 * and every page that moved a slice's cursor. What a process logs may be lost with it; this is what was committed.
 */
export const AUDIT_SQL = `
create schema faults;
create table faults.run_log (
  n bigint generated always as identity, at timestamptz default clock_timestamp(), run text, was text, state text,
  generation integer, attempt integer, is_merge boolean, is_merge_anew boolean,
  open_slices integer, finaliser integer);
create table faults.page_log (
  n bigint generated always as identity, at timestamptz default clock_timestamp(), run text, slice integer,
  attempt integer, worker integer, was_cursor bigint, cursor bigint, records bigint);

create function faults.announce(step text, worker integer) returns void language sql as $$
  select pg_notify('faults', json_build_object('step', step, 'pid',
    (select w.pid from sheaf.workers w where w.id = worker))::text)
$$;

create function faults.note_run() returns trigger language plpgsql as $$
begin
  if old.sealed_at is null and new.sealed_at is not null then perform faults.announce('sealed', null); end if;
  if new.state is distinct from old.state or new.merged_generation is distinct from old.merged_generation then
    insert into faults.run_log (run, was, state, generation, attempt, is_merge, is_merge_anew, open_slices, finaliser)
    values (new.id, old.state, new.state, new.generation, new.attempt,
            new.merged_generation > old.merged_generation, new.merged_generation < old.merged_generation,
            (select count(*) from sheaf.slices s where s.run_id = new.id and s.state in ('pending', 'working')),
            new.finaliser);
  end if;
  if new.finaliser is distinct from old.finaliser and new.finaliser is not null then
    perform faults.announce('claimed', new.finaliser);
  end if;
  if new.proof is distinct from old.proof then perform faults.announce('proved', new.finaliser); end if;
  if new.merged_generation is distinct from old.merged_generation then
    perform faults.announce('merged', new.finaliser);
  end if;
  return null;
end $$;
create trigger note_run after update on sheaf.runs for each row execute function faults.note_run();

create function faults.note_plan() returns trigger language plpgsql as $$
begin
  perform faults.announce('written', null);
  return null;
end $$;
create trigger note_plan after insert on sheaf.runs for each row execute function faults.note_plan();

create function faults.note_page() returns trigger language plpgsql as $$
begin
  insert into faults.page_log (run, slice, attempt, worker, was_cursor, cursor, records)
  values (new.run_id, new.number, new.attempt, old.worker_id, old.cursor, new.cursor, new.records - old.records);
  return null;
end $$;
create trigger note_page after update on sheaf.slices for each row
  when (new.cursor is distinct from old.cursor) execute function faults.note_page();

create function faults.note_exports() returns trigger language plpgsql as $$
begin
  perform faults.announce('published', (select r.finaliser from sheaf.runs r where r.id = new.run_id));
  return null;
end $$;
create trigger note_exports after insert on sheaf.exports for each row execute function faults.note_exports();
`;
