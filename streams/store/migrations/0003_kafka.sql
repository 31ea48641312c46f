-- Which session of the database a holder writes with: a restarted server gives the same process id to another one.
alter table group_offsets add column backend_start timestamptz;

-- The bus whose offsets this database holds: 'postgres', or the id of a Kafka cluster. Offsets, ledger and dead letters
-- are keyed by partition and offset, so those of another bus would be taken for records that were seen.
create table bus (
    one boolean primary key default true check (one),
    name text not null
);
insert into bus (name) select 'postgres' where exists (select from log_heads where next > 0);
