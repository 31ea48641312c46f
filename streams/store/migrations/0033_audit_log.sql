-- Who did what, each entry with the hash of the one before (casework/audit.py). Nothing changes or leaves it: whoever
-- takes these triggers away shows in the chain.
create table audit_log (
    seq bigint primary key,
    at timestamptz not null,
    by text not null,
    act text not null,
    about jsonb not null,
    before bytea not null,
    hash bytea not null
);

create index audit_log_by_person on audit_log (by, at);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to';
end
$$;

create trigger audit_log_stays before update or delete on audit_log for each row execute function refuse_change();

create trigger audit_log_stays_whole before truncate on audit_log for each statement execute function refuse_change();
