-- Batches that the bus holds and that cannot be read, for as long as a group stands before them and afterwards. A group
-- whose offset lies behind such a batch has passed it, and what was had of its bytes lies among the dead letters.
create table unreadable_batches (
    "group" text not null,
    topic text not null,
    partition int not null,
    first bigint not null,
    next bigint,
    reason text not null,
    seen_at timestamptz not null default now(),
    primary key ("group", topic, partition, first)
);
