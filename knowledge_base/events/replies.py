"""Replies: what a doctor did about a warning (3103)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from knowledge_base.events.head import Code, Id, Instant

Sealed = Annotated[str, Meta(max_length=16_000)]
"""A text that may name somebody, encrypted and in base64."""


class Reply(Struct, frozen=True, gc=False):
    """What was done about one warning (warns[] of 3103)."""

    event_id: Id  # the sender, its msgid and the place of the warning in the message
    area: Code  # of the warning
    kind: Literal["reply"]
    happened_at: Instant  # when the gateway was told
    sender: Id
    institution: Id  # fixmedins_code
    warning_id: Id  # warn_rslt_id
    way: Literal["continue", "change"]  # dspo_way: 1 | 2
    received_at: Instant | None = None
    schema_version: Literal[1] = 1
    phase: Literal["before", "during"] = "before"  # warn_type: 1 | 2
    reason: Sealed | None = None  # dspo_way_rea, in the keeping of the store's key
