-- Runs that look at keys only, and runs that repair.
select 1;
