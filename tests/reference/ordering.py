"""People with orders: what somebody is billed who is aimed at a rule, asked about first, instead, or in part; and
people made for one sentence about orders.

Seeded as the people of ``generators`` are.
"""

from collections.abc import Callable, Sequence

from knowledge_base.events.head import Event
from knowledge_base.facts import Point

from .close_ups_of_orders import CLOSE_UPS
from .close_ups_of_places import CLOSE_UPS_OF_PLACES
from .disturbances import disturb
from .generators import SCENES_OF_RULES, published
from .scenes_of_orders import asked_about, happen
from .spelling import spelled
from .story import Story, begin

CLOSE = CLOSE_UPS | CLOSE_UPS_OF_PLACES
ABOUT = (*SCENES_OF_RULES, *CLOSE)


def ordering(seed: int, about: str, points: Sequence[Point] | None = None) -> list[Event]:
    """The events of one person, claims and requests, aimed at one rule or made for a close-up, both of ``ABOUT``."""
    story = begin(f"orders {about}/{seed}", points or published())
    _begin(story, about)
    happen(story, story.random.choice([0, 1, 1, 2, 3, 5] if about in SCENES_OF_RULES else [0, 0, 0, 0, 1]))
    disturb(story, story.random.choice([0, 0, 0, 1]))
    return [spelled(event) for event in story.events]


def _begin(story: Story, about: str) -> None:
    scene: Callable[[Story], None] | None = CLOSE.get(about)
    if scene is not None:
        scene(story)
    else:
        SCENES_OF_RULES[about](story)
        asked_about(story)
