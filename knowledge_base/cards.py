"""Cards: what people are told of whoever makes findings, a rule or a detector, alike.

A published set holds the card of each of its makers. Leads, sentences, pages and commands read cards, never the rule
or detector behind them.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge_base.findings import Lane, MakerKind, Severity


class FilePart(BaseModel):
    """A part of a file that people write: unknown fields are faults, the text below a field says what it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(FilePart):
    """A text in Chinese and English."""

    zh: Annotated[str, Field(min_length=1)]
    """Chinese."""

    en: Annotated[str, Field(min_length=1)]
    """English."""


UnitName = Literal["item", "day", "detail"]
"""What a maker counts in: the billing unit of the item in question, days, or details of a settlement."""


class Basis(FilePart):
    """One legal or official basis and the day from which it applies, which is absent where its points say it."""

    text: str
    """The article, notice or list, with its number."""

    since: date | None = None
    """The first service day to which it applies; absent where the points of its catalogues say it."""


class Advice(FilePart):
    """What a good page says beside the rule or model (assumed, how it is evaded, what to check next)."""

    assumed: Words
    """What has to be true of the data for a finding to be right."""

    evaded: Words
    """How somebody would get round it."""

    check_next: Words
    """What an inspector looks at next."""


class Card(FilePart):
    """What a rule or detector is called, how serious its findings are, and what to say of them.

    ``topic`` is the folder that it stands in and part of what a lead is made of; ``status`` says whether people outside
    may see its findings; ``lane`` is where a lead stands that holds no others; ``file_hash`` is that of its file.
    """

    id: Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{8,14}$")]
    """Unique among rules: the official code, or one of our own (`FW` and 8 digits) where there is none."""

    title: Words
    """What is wrong, as a heading."""

    topic: str
    severity: Severity
    """The official grade: 1 clear 明确违规, 2 high 高度可疑, 3 low 轻度可疑, 4 watch 监测分析."""

    status: Literal["draft", "shadow", "live", "retired"]
    """`draft` and `retired` are not judged, nor are their cases run; `shadow` is tried out: judged, and shown to nobody
    outside."""

    definition: Words
    """What is counted, over what, against which limit, and what excuses: the whole reading in a sentence or two."""

    message: Words
    """The sentence about one finding; words in braces are filled (see Checks)."""

    unit: UnitName | None = None
    """What `value` and `limit` are counted in: `item` (the billing unit of the item in question), `day` or `detail`."""

    advice: Advice
    """What a good page says beside the rule."""

    lane: Lane = Lane.INSPECTION
    """Where its findings stand in the queue: `inspection`, or `data_quality` where nothing is to be inspected."""

    basis: tuple[Basis, ...] = ()
    """On what it rests, with the day from which each applies."""

    kinder: tuple[Words, ...] = ()
    """Where the text is open: the reading kinder to the accused, one sentence each."""

    file_hash: str

    @property
    def maker_kind(self) -> MakerKind:
        return "detector"

    @property
    def is_live(self) -> bool:
        """Whether people outside may see its findings."""
        return self.status == "live"
