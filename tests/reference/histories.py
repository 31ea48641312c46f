"""Histories at the edges of time and identity: what arrives as it comes, by the four points that it is about.

Seeded as the people of ``generators`` are. A point has several scenes, which its seeds take in turn.
"""

from collections.abc import Callable, Sequence

from knowledge_base.events.head import Event
from knowledge_base.facts import Point

from .disturbances import disturb
from .generators import published
from .scenes_of_dates import placeholder_dates, wrong_clocks
from .scenes_of_numbers import numbers_again, one_claim_id
from .scenes_of_persons import joined_and_parted
from .scenes_of_settlement import first_days_of_periods, returned_lines, reversed_corrections, signs_and_refunds
from .scenes_of_two_houses import seen_elsewhere, two_stays_at_once
from .spelling import spelled
from .story import Story, begin

SCENES: dict[str, tuple[Callable[[Story], None], ...]] = {
    "two houses": (seen_elsewhere, two_stays_at_once),
    "what takes back": (reversed_corrections, returned_lines, returned_lines, first_days_of_periods),
    "names and dates": (one_claim_id, numbers_again, numbers_again, placeholder_dates, wrong_clocks, signs_and_refunds),
    "one person": (joined_and_parted,),
}
_EVERY_SCENE = tuple(dict.fromkeys(scene for scenes in SCENES.values() for scene in scenes))


def history(seed: int, about: str, points: Sequence[Point] | None = None) -> list[Event]:
    """The events of one history about one of ``SCENES``; every fifth is disturbed once more."""
    scenes = SCENES[about]
    return scene_history(seed, scenes[seed % len(scenes)], points)


def scene_history(seed: int, scene: Callable[[Story], None], points: Sequence[Point] | None = None) -> list[Event]:
    """The events of one history that one scene makes."""
    story = begin(f"{scene.__name__}/{seed}", points or published())
    scene(story)
    if story.random.random() < 0.2:
        disturb(story, 1)
    return [spelled(event) for event in story.events]


def mixed_history(seed: int, points: Sequence[Point] | None = None) -> list[Event]:
    """The events of one history about two or three points at once, with what else went astray."""
    story = begin(f"mixed history/{seed}", points or published())
    for scene in story.random.choices(_EVERY_SCENE, k=story.random.choice([2, 3])):
        scene(story)
    disturb(story, story.random.randrange(4))
    return [spelled(event) for event in story.events]
