"""What somebody may see, as SQL: every query that shows findings to people is made of this."""

from casework.sight import Sight
from knowledge_base.days import as_date

# Findings of makers that are live, whose excuse may not come any more, in the areas that somebody may see.
SHOWN = """
    lead_findings f join makers m on m.id = f.rule_id and m.live
        and (f.excuse_until is null or f.excuse_until < $1) and ($2::text[] is null or f.area = any($2::text[]))
"""


def sight_arguments(sight: Sight) -> list[object]:
    """The arguments that say what somebody may see: the day ($1) and the areas ($2)."""
    return [as_date(sight.today), None if sight.areas is None else sorted(sight.areas)]
