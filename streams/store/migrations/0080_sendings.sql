-- What each institution sent of each kind of message, by civil day and hour in China: accepted, refused, accepted late.
-- Written with the messages. area is '*' for whoever sends for every area. minutes has a bit for each minute of the hour
-- in which any was accepted, the first the lowest, so that pauses are known whatever order batches come in.
create table sendings (
    area text not null,
    institution text not null,
    kind text not null,
    day date not null,
    hour smallint not null check (hour between 0 and 23),
    received int not null,
    refused int not null,
    late int not null,
    minutes bigint not null,
    last_at timestamptz,
    primary key (area, institution, kind, day, hour)
) with (fillfactor = 70);
create index sendings_by_day on sendings (day);
