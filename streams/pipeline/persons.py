"""Who is one person: pseudonyms that the merges join which hold. What-counts section 1."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from knowledge_base.digests.persons import StatusDigest
from rules_lib.histories.standing import rank
from streams.messages.identifiers import least, trimmed

Pair = tuple[str, str]
"""Two pseudonyms, the lesser first, as they are known since identifiers are trimmed."""


Spelled = Callable[[str], str]
"""How a pseudonym is read: trimmed, as today, or as it came."""


def pair_of(status: StatusDigest, spelled: Spelled = trimmed) -> Pair:
    """The pair of pseudonyms of which a status says that they are one person or two."""
    one, other = sorted((spelled(status.patient), spelled(status.same_as or "")))
    return one, other


def joined_pairs(statuses: Iterable[StatusDigest], spelled: Spelled = trimmed) -> list[Pair]:
    """The pairs that are joined: of the merges and unmerges of one pair that of the greatest rank holds."""
    speaking = [status for status in statuses if status.change in ("merge", "unmerge") and status.same_as]
    holding = {pair_of(status, spelled): status.change for status in sorted(speaking, key=rank)}
    return [pair for pair, change in holding.items() if change == "merge"]


def persons_of(
    names: Collection[str],
    joined: Iterable[Pair],
    named: Callable[[Iterable[str]], str] = least,
    spelled: Spelled = trimmed,
) -> dict[str, list[str]]:
    """Who is one person among some pseudonyms: the one by which it is ``named``, with all that belong to it.

    A pseudonym and the same one as it is ``spelled`` are one person.
    """
    pairs = [*joined, *((name, spelled(name)) for name in names)]
    persons: dict[str, list[str]] = {}
    for together in merged_persons({}, pairs).values():
        known = [name for name in together if name in names]
        if known:
            persons[named(known)] = known
    return persons


def merged_persons(
    members: Mapping[str, Sequence[str]],
    joined: Iterable[tuple[str, str]],
    named: Callable[[Iterable[str]], str] = least,
) -> dict[str, list[str]]:
    """Who becomes one person by pairs of pseudonyms: the one by which it is ``named``, with all that belong to it.

    ``members`` are the persons known before, each with all its pseudonyms.
    """
    group_of = {patient: set(together) for together in members.values() for patient in together}
    merged: set[str] = set()
    for one, other in joined:
        together = group_of.get(one, {one}) | group_of.get(other, {other})
        group_of.update(dict.fromkeys(together, together))
        merged |= together
    return {named(group_of[patient]): sorted(group_of[patient]) for patient in merged}
