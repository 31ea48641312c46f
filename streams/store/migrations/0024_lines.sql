-- Which line of its file a message is, from 1, for whoever looks at its dead letter; null where it came from no file.
alter table dead_letters add column line bigint;
alter table log add column line bigint;
