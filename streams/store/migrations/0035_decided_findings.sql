-- Findings are decided one by one. What this and the next four add has a constant default or may be null, so that no table
-- is rewritten, and consoles and workers of the release before go on deciding and summing what they know. Each file locks
-- one table: whoever works holds locks of several, in an order of their own.

-- What was decided on: those of before on whole leads. ground: null where only words say why.
alter table decisions add column scope text not null default 'lead' check (scope in ('lead', 'findings'));
alter table decisions add column ground text;
create index decisions_undone on decisions (area, undoes) where undoes is not null;

-- The findings that decisions cite, as decisions.cites says: filled by the store, whoever decides.
create table citations (
    area text not null,
    finding_id text not null,
    decision_id bigint not null,
    version int not null,
    primary key (area, finding_id, decision_id)
);
create index citations_by_decision on citations (area, decision_id);

-- Leads that are to be summed again: a row each time, so that a mark made while a lead is summed is not lost.
create table leads_to_sum (
    area text not null,
    lead_id text not null,
    number bigint generated always as identity,
    primary key (area, lead_id, number)
);
