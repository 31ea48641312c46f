-- Forms that were not taken, so that a page can show again what was typed: its address names them, and says nothing.
create table kept_forms (
    name text primary key,
    login text not null references users (login) on delete cascade,
    page text not null,
    form text not null,
    words jsonb not null,
    problem text not null,
    kept_at timestamptz not null default now()
);
create index kept_forms_by_login on kept_forms (login, kept_at);
