-- When somebody was last at the desk: used_at in the visit that goes on or was the last, before_at in the one before.
create table visits (
    login text primary key references users (login) on delete cascade,
    used_at timestamptz not null,
    before_at timestamptz
);
