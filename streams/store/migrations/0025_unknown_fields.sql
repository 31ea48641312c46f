-- Fields that no schema knows, as spot checks saw them, by name: never a value. One writer a partition.
create table unknown_fields (
    topic text not null,
    partition int not null,
    source text not null,
    kind text not null,
    field text not null,
    seen bigint not null,
    primary key (topic, partition, source, kind, field)
);
