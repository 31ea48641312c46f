-- Of which generation a digest is, and what few rules need beside it. Both are added without a table being rewritten, and
-- workers of the release before go on: what they write is of the first generation, without details.
alter table events add column generation smallint not null default 1;
alter table events add column details bytea;
alter table events alter column details set storage external;
