"""What somebody may see, as SQL: every query that shows leads or findings to people is made of this."""

from casework.sight import Sight
from knowledge_base.days import as_date


def in_sight(row: str, at: int = 2) -> str:
    """That a row is of an area ($``at``) and of an institution (the argument after it) that somebody may see."""
    areas, institutions = f"${at}::text[]", f"${at + 1}::text[]"
    return f"""
        ({areas} is null or {row}.area = any({areas}))
        and ({institutions} is null or {row}.institution = any({institutions}))
    """


def home_in_sight(at: int = 2) -> str:
    """That the lead of a row ``f`` of ``lead_findings`` is in sight. It is looked up for those who may not see all."""
    areas, institutions = f"${at}::text[]", f"${at + 1}::text[]"
    return f"""
        ({areas} is null or f.area = any({areas})) and ({institutions} is null or exists (
            select from leads home
            where home.area = f.area and home.lead_id = f.lead_id and home.institution = any({institutions})))
    """


def shown_of(findings: str) -> str:
    """Those of some rows of ``lead_findings``, as ``f`` in SQL, that are of makers that are live, whose excuse may not
    come any more, and in the leads that somebody may see."""
    return f"""
        {findings} f join makers m on m.id = f.rule_id and m.live
            and (f.excuse_until is null or f.excuse_until < $1) and {home_in_sight()}
    """


SHOWN = shown_of("lead_findings")
"""The findings that somebody may see."""


def gap_in_sight(at: int) -> str:
    """That a row ``n`` of ``not_evaluated`` does not lie at institutions out of sight (``$at``): such a one names one
    at which its subject was, and none in sight."""
    institutions = f"${at}::text[]"
    return f"""
        ({institutions} is null or n.occurrence && {institutions} or not exists (
            select from events e
            where e.area = n.area and e.subject_kind = n.subject_kind and e.institution = any(n.occurrence)
                and e.patient in (
                    select n.subject union all
                    select p.patient from persons p where p.area = n.area and p.person = n.subject)))
    """


def sight_arguments(sight: Sight) -> list[object]:
    """The arguments that say what somebody may see: the day ($1), the areas ($2) and the institutions ($3)."""
    return [as_date(sight.today), *place_arguments(sight)]


def place_arguments(sight: Sight) -> list[object]:
    """The areas and the institutions alone, for what is the same on every day."""
    return [None if names is None else sorted(names) for names in (sight.areas, sight.institutions)]
