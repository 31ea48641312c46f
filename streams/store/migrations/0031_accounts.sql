-- Accounts: what people are called, what they are, and whose leads they see (null: all). A closed account stays, since
-- decisions name it. Whoever had a log-in could do everything, and still may: the next start says so once.
alter table users
    add column name text not null default '',
    add column roles text[] not null default '{}',
    add column areas text[],
    add column institutions text[],
    add column disabled_at timestamptz,
    add column carried_over boolean not null default false;

update users set carried_over = true,
    roles = '{inspector,reviewer,head,handling_agency,administration,auditor,operator}';

-- "Wang.Li" and "wang.li" would be taken for one person.
create unique index users_by_name on users (lower(login));

create index sessions_by_login on sessions (login, created_at);
