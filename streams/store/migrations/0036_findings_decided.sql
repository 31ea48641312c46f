-- What holds on a finding: the decision, what it says, and the version that it cites (0: it cites a finding that this one
-- goes on with). raised_in: the lead's version since which the finding stands in it without a break; in_question: its
-- money; items: those that its occurrence names. Null in rows of before until their lead is summed again.
alter table lead_findings add column decision_id bigint;
alter table lead_findings add column verdict text;
alter table lead_findings add column cited_version int;
alter table lead_findings add column raised_in bigint;
alter table lead_findings add column in_question numeric;
alter table lead_findings add column items text[];
