-- When the latest of the undecided findings came that count from a step on: raised, made live, or not excused in time.
alter table lead_totals add column came_at timestamptz;
