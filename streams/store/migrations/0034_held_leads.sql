-- Until which day (China) somebody has a lead; whoever decided on one of before has it without an end.
alter table leads add column held_until date;
