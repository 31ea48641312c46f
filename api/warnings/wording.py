"""What pages and interface say of warnings in a sentence, in the same words for hospitals and for the fund."""

from datetime import date

from api.frame import formats
from api.frame.sentences import percent
from api.frame.texts import Texts
from api.warnings.filters import RECENT, is_recent
from casework.overrides import Overrides
from knowledge_base.signs import neutral
from streams.store.events.warned import WarningFilter


def figures_sentence(total: Overrides, chosen: WarningFilter, place: str | None, today: date, texts: Texts) -> str:
    """What doctors were told in some days and what they did; ``place`` is the institution where it is one."""
    words = {
        "days": days_words(chosen, today, texts),
        "where": texts("warnings.everywhere") if place is None else neutral(place),
    }
    if not total.told:
        return texts("warnings.answer_none", **words)
    money = formats.money(total.in_question)
    replies = replies_words(total, texts)
    return texts("warnings.answer", **words, told=f"{total.told:,}", money=money, replies=replies)


def replies_words(of: Overrides, texts: Texts) -> str:
    """How many answered and how many of them went on: a share where enough did, else both numbers."""
    if not of.answered:
        return texts("warnings.replies.none")
    if of.share is None:
        return texts("warnings.replies.few", answered=f"{of.answered:,}", continued=f"{of.continued:,}")
    return texts("warnings.replies.share", answered=f"{of.answered:,}", percent=percent(of.share))


def share_words(of: Overrides, texts: Texts) -> str:
    """The share of the answered that went on, in a cell: of too few both numbers, of none a dash."""
    if not of.answered:
        return "—"
    counts = texts("warnings.of", part=f"{of.continued:,}", whole=f"{of.answered:,}")
    return counts if of.share is None else texts("warnings.share", percent=percent(of.share), counts=counts)


def days_words(chosen: WarningFilter, today: date, texts: Texts) -> str:
    """The days of a filter: the recent ones by their number."""
    if is_recent(chosen, today):
        return texts("warnings.days.recent", count=RECENT)
    if chosen.first == chosen.last:
        return texts("warnings.days.one", day=formats.day(chosen.first))
    return texts("warnings.days.span", first=formats.day(chosen.first), last=formats.day(chosen.last))
