"""The source code that judges by a rule, told by a hash: its check, the engine, history, points and digests."""

from knowledge_base.source_code import source_hash_of
from knowledge_base.subjects import SubjectKind
from rules_lib.histories.kinds import HISTORIES


def source_hash(check: str, looks_at: SubjectKind) -> str:
    """The hash of all that judges by a check (``module.function``) over a history of a kind of subject.

    Raises ``ImportError`` where there is no such check, ``KeyError`` where there is no such history.
    """
    module = check.partition(".")[0]
    history = HISTORIES[looks_at].__module__
    return source_hash_of(
        f"rules_lib.checks.{module}",
        "rules_lib.engine",
        history,
        "knowledge_base.catalogues.rows",
        "knowledge_base.digests.making",
    )
