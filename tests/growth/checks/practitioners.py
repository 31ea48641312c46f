"""A check that needs details: lines of a rule's items by the same practitioner on one day."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from knowledge_base.catalogues.rows import AnyRow
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import ONE, Measure, Question, Undecided, reads, whole


@reads(AnyRow)
def bills_alone(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """More than one line of the rule's items by one practitioner on one day."""
    lines = [line for of_item in question.items.values() for line in question.on_judged_days(of_item)]
    by = {line.key: question.line_details_of(line).practitioner for line in lines}
    for (day, who), number in sorted(Counter((line.day, by[line.key] or "") for line in lines).items()):
        own = [line for line in lines if line.day == day and (by[line.key] or "") == who]
        if not who:
            yield Undecided((question.name, day), "lines.practitioner missing", day, day)
        else:
            yield Measure((question.name, who, day), Decimal(number), ONE, day, day, guilty=whole(own))
