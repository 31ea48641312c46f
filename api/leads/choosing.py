"""How a lead's findings are listed, as the address of its page says it, and which of them a form chose."""

from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Form, Query

from api.frame.addresses import Links, PageNumber, as_amount
from streams.store.casework.listing import Chosen, Fold, Listing, Show

GROUPS = 50
"""Groups on a page."""

PAGE = 30
"""Findings of an open group on a page."""


class Asked(msgspec.Struct, frozen=True):
    """What an address asks of a lead's page. ``show`` empty: what is to be decided, where there is something.

    ``list`` is the query of the queue that led here, and ``at`` the lead's place in it (a cursor).
    """

    show: Literal["", "open", "decided", "all"] = ""
    fold: Fold = "item"
    least: str = ""
    group: str | None = None
    groups: int = 1
    page: int = 1
    finding: str | None = None
    done: int | None = None
    list: str = ""
    at: str = ""

    def listing(self, undecided: int) -> Listing:
        """What is listed of a lead with some undecided findings."""
        show: Show = self.show or ("open" if undecided else "all")
        return Listing(show, self.fold, as_amount("least", self.least))

    def links(self, lead_id: str) -> Links:
        """Addresses of the page with the same list; what is opened in it is said anew by each."""
        words = {"show": self.show, "fold": self.fold, "least": self.least, "list": self.list, "at": self.at}
        return Links(f"/leads/{lead_id}", words, silent={"fold": "item", "show": "", "least": "", "list": "", "at": ""})


def asked(
    show: Literal["", "open", "decided", "all"] = "",
    fold: Fold = "item",
    least: Annotated[str, Query(max_length=20)] = "",
    group: Annotated[str, Query(pattern="^([0-9a-f]{32})?$")] = "",
    groups: PageNumber = 1,
    page: PageNumber = 1,
    finding: str | None = None,
    done: Annotated[int | None, Query(ge=0)] = None,
    list: Annotated[str, Query(max_length=1000)] = "",
    at: Annotated[str, Query(max_length=500)] = "",
) -> Asked:
    """What an address asks of a lead's page."""
    as_amount("least", least)
    return Asked(show, fold, least.strip(), group or None, groups, page, finding, done, list, at)


AskedOf = Annotated[Asked, Depends(asked)]

Name = Annotated[str, Form(max_length=64)]


def chosen(
    show: Annotated[Show, Form()] = "open",
    fold: Annotated[Fold, Form()] = "item",
    least: Annotated[str, Form(max_length=20)] = "",
    everything: Annotated[bool, Form()] = False,
    groups: Annotated[list[Name], Form(alias="group")] = [],  # noqa: B006
    findings: Annotated[list[Name], Form(alias="finding")] = [],  # noqa: B006
    left_out: Annotated[list[Name], Form()] = [],  # noqa: B006
) -> Chosen:
    """What a form ticked, in the list as it was shown."""
    listing = Listing(show, fold, as_amount("least", least))
    return Chosen(listing, everything, tuple(groups), tuple(findings), tuple(left_out))


def asked_of(chosen: Chosen, list: str, at: str) -> Asked:
    """The list that a form was sent from, as its page's address asks for it."""
    least = "" if chosen.listing.least is None else str(chosen.listing.least)
    return Asked(chosen.listing.show, chosen.listing.fold, least, list=list, at=at)


ChosenOf = Annotated[Chosen, Depends(chosen)]
