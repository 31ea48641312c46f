-- Which published rule set is in force: that of the last switch. Switches take effect between batches.
create table rule_set_switches (
    number bigint generated always as identity primary key,
    rule_set text not null references rule_sets (hash),
    switched_at timestamptz not null default now()
);
insert into rule_set_switches (rule_set) select hash from rule_sets order by published_at desc limit 1;

-- What a switch may have changed and nobody has judged again: by the named rules, all of an area's people whose
-- pseudonym comes after judged_to.
create table outstanding (
    area text primary key,
    rules text[] not null,
    judged_to text not null default '',
    since timestamptz not null default now()
);
