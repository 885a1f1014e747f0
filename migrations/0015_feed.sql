-- Who is told of changes, and how far each has been told.
select 1;
