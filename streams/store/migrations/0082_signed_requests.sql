-- Hospitals' systems sign what they send: by which name a key is called in their requests, and its secret, sealed (none
-- for keys of earlier releases, which can only be shown). A session that was agreed on by one (9001) rests in the number
-- that names it; here stands which of them were ended (9002) before their time, by the hash of that number.
alter table tokens
    add column key_id text unique,
    add column sealed_secret bytea,
    add constraint tokens_sign_with_both check ((key_id is null) = (sealed_secret is null));

create table ended_sign_ins (
    sign_no_hash bytea primary key,
    ends_at timestamptz not null,
    ended_at timestamptz not null default now()
);

create index ended_sign_ins_by_end on ended_sign_ins (ended_at);
