-- Records that came nested in others.
select 1;
