-- What is expected to be confirmed of a lead's money, and of what it consists. Null in steps that the release before
-- summed; their leads are summed again.
alter table lead_totals add column expected numeric;
alter table lead_totals add column expected_of jsonb;

create or replace trigger mark_to_sum after insert on lead_totals
    for each row when (new.expected is null) execute function mark_to_sum();
