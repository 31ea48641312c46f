"""Cards: what people are told of whoever makes findings, a rule or a detector, alike.

A published set holds the card of each of its makers. Leads, sentences, pages and commands read cards, never the rule
or detector behind them.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge_base.findings import MakerKind, Severity


class FilePart(BaseModel):
    """A part of a file that people write: unknown fields are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(FilePart):
    """A text in Chinese and English."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class Basis(FilePart):
    """One legal or official basis and the day from which it applies, which is absent where its points say it."""

    text: str
    since: date | None = None


class Advice(FilePart):
    """What a good page says beside the rule or model (assumed, how it is evaded, what to check next)."""

    assumed: Words
    evaded: Words
    check_next: Words


class Card(FilePart):
    """What a rule or detector is called, how serious its findings are, and what to say of them.

    ``topic`` is the folder that it stands in and part of what a lead is made of; ``status`` says whether people outside
    may see its findings; ``file_hash`` is that of its file.
    """

    id: Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{8,14}$")]
    title: Words
    topic: str
    severity: Severity
    status: Literal["draft", "shadow", "live", "retired"]
    definition: Words
    message: Words
    advice: Advice
    basis: tuple[Basis, ...] = ()
    kinder: tuple[Words, ...] = ()
    file_hash: str

    @property
    def maker_kind(self) -> MakerKind:
        return "detector"

    @property
    def is_live(self) -> bool:
        """Whether people outside may see its findings."""
        return self.status == "live"
