-- Filters of the queue that people keep under a name: query is what the queue's address says. What was removed can be put
-- back for a while; name_before is what a renamed one was called.
create table saved_filters (
    filter_id bigint generated always as identity primary key,
    login text not null references users (login) on delete cascade,
    name text not null,
    look text not null,
    name_before text,
    query text not null,
    removed_at timestamptz
);
create unique index saved_filters_by_look on saved_filters (login, look) where removed_at is null;
