-- Who sends, what is usual of them, and how they stand. first_day is the first on which anything was accepted, last_at
-- when the last was. norms is what was learnt on learnt_on (none: not known well enough), of which usual is the messages
-- of a day by weekday and shortest the minutes of the shortest pause that is ever unusual. unusual_from is when a
-- silence that lasts becomes so, alarming_since when one did. A muted one is told to nobody until a day is over.
create table senders (
    area text not null,
    institution text not null,
    kind text not null,
    first_day date,
    last_at timestamptz,
    learnt_on date,
    norms bytea,
    usual int[],
    shortest int,
    unusual_from timestamptz,
    alarming_since timestamptz,
    muted_until date,
    muted_by text,
    muted_reason text,
    primary key (area, institution, kind)
);
create index senders_alarming on senders (alarming_since) where alarming_since is not null;

-- Days on which so many senders of a kind sent little that the day is odd: public holidays.
create table thin_days (
    area text not null,
    kind text not null,
    day date not null,
    primary key (area, kind, day)
);

-- Up to which instant silences were judged last.
create table silence_judged (
    area text not null primary key,
    as_of timestamptz not null
);
