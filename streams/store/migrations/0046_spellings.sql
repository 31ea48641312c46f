-- How institutions are found: by words that begin their names, a part of them, or how either is spelled in pinyin.
-- "spelled" is the name that the words of an institution were made from (streams/jobs/spelling.py).
alter table institutions add column spelled text;

create table institution_words (
    word text collate "C" not null,
    institution text not null references institutions on delete cascade,
    primary key (word, institution)
);

create index institution_words_by_institution on institution_words (institution);

create index institutions_unspelled on institutions (institution) where spelled is distinct from name;
