-- Which pairs of pseudonyms unmerges part, and whether a merge joined them; an unmerge may come before its merge.
create table unmerges (
    area text not null,
    event_id text not null,
    one text not null,
    other text not null,
    merged boolean not null,
    primary key (area, event_id)
);
create index unmerges_by_one on unmerges (area, one);
create index unmerges_by_other on unmerges (area, other);
