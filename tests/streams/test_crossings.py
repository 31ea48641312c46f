"""What waits, and what only several persons' events tell: counted from the events that were sent."""

import pytest
from msgspec.structs import replace

from knowledge_base.events.head import Event
from streams.jobs.reconciling import reconcile
from streams.store.intake.crossings import MOST, Crossings
from streams.store.sessions import connect
from tests.reference.cases import NURSING, line, status, visit
from tests.reference.scenes_of_details import HOUSES

from .replay import replay


async def crossings_of(url: str, *events: Event, source: str = "first") -> Crossings:
    await replay(url, events, source)
    connection = await connect(url)
    try:
        return (await reconcile(connection)).crossings
    finally:
        await connection.close()


@pytest.mark.parametrize("link", ["reverses", "corrects"])
async def test_a_link_says_where_its_target_is_known_to_be(postgres_url: str, link: str) -> None:
    """Of one person and institution it waits for nothing, joined by a merge neither."""
    sold = visit("sold", line("a", NURSING, "03-01"))
    found = await crossings_of(
        postgres_url,
        sold,
        replace(sold, event_id="2", claim_id="theirs", patient="p2"),
        replace(sold, event_id="3", claim_id="there", institution="B"),
        replace(sold, event_id="4", claim_id="joined", patient="p3"),
        status("m", "03-02", "merge", patient="p3", same_as="p1"),
        *(visit(f"link-{target}", **{link: target}) for target in ("sold", "theirs", "there", "joined", "never came")),
    )
    assert {row.target: row.known for row in found.links} == {
        "theirs": "another person",
        "there": "another institution",
        "never came": "nowhere",
    }
    assert found.links[-1].known == "nowhere"
    assert found.waiting_links == 3


async def test_a_number_that_two_persons_have_is_named_and_one_of_two_institutions_is_not(postgres_url: str) -> None:
    own = visit("1", encounter_id="v")
    found = await crossings_of(
        postgres_url,
        own,
        replace(own, event_id="2", claim_id="2", patient="p2"),
        replace(own, event_id="3", claim_id="1", encounter_id="w", patient="p3"),
        replace(own, event_id="4", institution="B", patient="p4"),
        replace(own, event_id="5", claim_id="5", encounter_id="x", patient="p5"),
        replace(own, event_id="6", claim_id="6", encounter_id="x", patient="p6"),
        status("m", "03-02", "merge", patient="p5", same_as="p6"),
    )
    assert {(row.institution, row.what, row.number, row.persons) for row in found.numbers} == {
        ("A", "encounter", "v", 2),
        ("A", "claim", "1", 2),
    }
    assert found.shared_numbers == 2


async def test_an_unmerge_waits_until_a_merge_of_its_pair_is_known(postgres_url: str) -> None:
    parts = [status(f"u{n}", "03-05", "unmerge", patient="p1", same_as=f"p{n + 2}") for n in range(MOST + 3)]
    found = await crossings_of(postgres_url, *parts)
    assert (found.waiting_unmerges, len(found.unmerges)) == (MOST + 3, MOST)
    for number, (one, other) in enumerate([("p2", "p1"), ("p1", "p3"), ("p4", "p5")]):
        merge = status(f"m{number}", "03-01", "merge", patient=one, same_as=other)
        found = await crossings_of(postgres_url, merge, source=f"merge {number}")
        assert found.waiting_unmerges == MOST + 3 - min(number + 1, 2)
    assert not {"event-u0", "event-u1"} & {row.event_id for row in found.unmerges}


async def test_institutions_of_no_official_code_are_told_once_each_those_of_most_events_first(
    postgres_url: str,
) -> None:
    odd = HOUSES[False]
    found = await crossings_of(
        postgres_url,
        *(visit(f"{house}-{n}", institution=house) for rank, house in enumerate(odd, 1) for n in range(rank)),
        *(visit(f"{house}-right", institution=house) for house in HOUSES[True]),
    )
    assert [(row.institution, row.events) for row in found.institutions] == [
        (house, rank) for rank, house in reversed(list(enumerate(odd, 1)))
    ]
    assert found.odd_institutions == len(odd)
