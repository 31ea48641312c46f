"""What the filters of the queue offer."""

from markupsafe import Markup, escape

from api.frame.desk import Shown
from knowledge_base.signs import neutral
from streams.store.casework.queue import Choices


async def institution_options(shown: Shown, choices: Choices, chosen: str | None) -> Markup:
    """The institutions of a filter as HTML. Those of a city are hundreds, and the same on every page of the queue, so
    they are written once."""
    named = tuple(choices.institutions)

    async def write() -> Markup:
        return Markup("\n").join(
            Markup('<option value="{}">{}</option>').format(code, neutral(name)) for code, name in named
        )

    written = await shown.worked_out.get(("institutions", named), write)
    if chosen is None:
        return written
    value = f'<option value="{escape(chosen)}"'
    return Markup(written.replace(value, f"{value} selected", 1))
