"""Scenes of two to four pseudonyms that are joined and parted, in any rank: section 1 of docs/what-counts.md."""

from datetime import timedelta
from itertools import combinations

from msgspec.structs import replace

from knowledge_base.events.claims import Claim
from knowledge_base.events.persons import PatientStatus

from .dates import CHINA
from .scenes_of_settlement import later, over_the_cap
from .story import AREA, Story


def joined_and_parted(story: Story) -> None:
    """Each pseudonym within the cap, together beyond it; merges and unmerges of pairs at few moments, some of 2099.

    Some are beyond it alone on a day far off, which no event of the other days brings up again.
    """
    names = [f"{story.patient}{letter}" for letter in "abcd"[: story.random.choice([2, 2, 2, 2, 2, 2, 2, 3, 4])]]
    limit = story.some("daily_caps").row.limit
    first = over_the_cap(story, 0, limit / 2)
    story.events[-1] = first = replace(first, patient=names[0])
    for name in names[1:]:
        later(story, first, 0, patient=name, encounter_id=story.fresh("M"))
    if story.random.random() < 0.5:
        over_the_cap(story, story.random.choice([-150, 150]), limit * 2)
        story.events[-1] = replace(story.events[-1], patient=story.random.choice(names))  # type: ignore[type-var]
    pairs = list(combinations(names, 2))
    for _ in range(story.random.choice([1] * 3 + [2] * 12 + [3]) + len(names) - 2):
        _tell(story, first, story.random.choice([pairs[0], *pairs]))
    if story.random.random() < 0.15:
        link = story.random.choice(["reverses", "corrects"])
        later(story, first, 1, patient=names[-1], **{link: first.claim_id})


def _tell(story: Story, claim: Claim, pair: tuple[str, str]) -> None:
    one, other = story.random.sample(pair, k=2)
    change = story.random.choice(["merge", "merge", "unmerge"])
    moment = claim.happened_at + timedelta(days=story.random.choice([-1, 0, 0, 1]))
    if story.random.random() < 0.1:
        moment = moment.astimezone(CHINA).replace(year=2099, day=1)
    told = (story.fresh("E"), AREA, "patient_status", moment, "S2", one, change)
    story.events.append(PatientStatus(*told, same_as=other))  # type: ignore[arg-type]
