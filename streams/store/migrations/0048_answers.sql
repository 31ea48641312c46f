-- What institutions answer to the lists of leads (casework/answers.py): the files that were read in, their answers, and
-- the rows that were refused. Only added to: the last answer to a line holds, and what was said before stays.
create table answer_files (
    area text not null,
    file bigint generated always as identity,
    lead_id text not null,
    hash bytea not null,
    read_by text not null,
    read_at timestamptz not null default now(),
    agreed int not null,
    disputed int not null,
    blank int not null,
    refused int not null,
    primary key (area, file),
    unique (area, lead_id, hash)
);

create table answers (
    area text not null,
    finding_id text not null,
    line text not null,
    file bigint not null,
    version int not null,
    position text not null,
    remark text not null,
    primary key (area, finding_id, line, file),
    foreign key (area, file) references answer_files
);

create table refused_answers (
    area text not null,
    file bigint not null,
    row int not null,
    misfit text not null,
    primary key (area, file, row),
    foreign key (area, file) references answer_files
);

create function refuse_change_of_answers() returns trigger language plpgsql as $$
begin
    raise exception 'answers are only added to';
end
$$;

create trigger answer_files_stay before update or delete or truncate on answer_files
    for each statement execute function refuse_change_of_answers();

create trigger answers_stay before update or delete or truncate on answers
    for each statement execute function refuse_change_of_answers();

create trigger refused_answers_stay before update or delete or truncate on refused_answers
    for each statement execute function refuse_change_of_answers();
