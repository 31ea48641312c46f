-- Kafka's reader cut the name of a source to 200 signs, and the import kept it whole: what had arrived looked lost.
update imports i set source = left(i.source, 200)
where length(i.source) > 200
    and not exists (select from ledger l where l.source = i.source)
    and exists (select from ledger l where l.source = left(i.source, 200));
