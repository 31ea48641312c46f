"""Catalogue files written by the program: in the form that ``knowledge_base.catalogues.files`` reads."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from knowledge_base.catalogues.rows import AnyRow


def save_catalogue(
    path: Path, catalogue: str, rows: Sequence[AnyRow], *, title: str, source: str, recorded_on: date, localised: bool
) -> None:
    """Writes rows, each with its first day, as the file of a catalogue; they became known on ``recorded_on``."""
    document = {
        "catalogue": catalogue,
        "title": title,
        "batch": "",
        "source": source,
        "recorded_on": recorded_on,
        "valid_from": recorded_on,
        "localised": localised,
        "points": [_words(row) for row in rows],
    }
    text = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=None, width=120)
    path.write_text(text, encoding="utf-8")


def _words(row: AnyRow) -> dict[str, Any]:
    """What a row says, with a day as YAML writes one; numbers with decimals stay texts, as we write them."""
    words = row.model_dump(mode="json", exclude_defaults=True)
    return {**words, "valid_from": row.valid_from}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
