-- Until which day a lead is put off: it is in nobody's open queue before that is over. Whoever did it, the audit log says.
alter table leads add column snoozed_until date;
