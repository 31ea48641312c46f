-- How many findings of each rule and detector people decided on one by one, and how many of these they confirmed.
create table maker_precision (
    maker text primary key,
    confirmed int not null,
    decided int not null,
    check (0 <= confirmed and confirmed <= decided)
);
