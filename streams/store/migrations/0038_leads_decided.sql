-- What leads come to beside their sums; 0 in those of before until they are summed again.
alter table leads add column undecided int not null default 0;
alter table leads add column decided int not null default 0;
alter table leads add column fresh int not null default 0;
alter table leads add column changed int not null default 0;
