-- When the latest of a lead's undecided findings came. Null in leads of before until something new comes into them.
alter table leads add column came_at timestamptz;
