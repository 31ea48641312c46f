"""Tables of commands: figures and names stay whole at every width, and text stays what it was."""

import io

import pytest
from rich.console import Console

from deploy.commands import doctor, output
from deploy.commands.examination.signs import Sign, State
from knowledge_base.catalogues.files import load_facts
from knowledge_base.signs import neutral
from rules_lib.rule_files import load_rule_set

COLUMNS = ("来源 source", "日期 day", "说明 what", "接收金额 accepted yuan", "其余金额 other yuan")
ROWS = [
    ("hospital-a.jsonl.zst", "2026-03-04", "住院 7 天，床位费收了 8 天。", "1,234,567,890.12", "98,765,432.10"),
    ("b", "2026-03-05", "x", "1.00", "0.00"),
]


def _printed(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[tuple[str, ...]] = ROWS) -> str:
    monkeypatch.setattr(output, "console", Console(file=io.StringIO(), width=width))
    output.print_table("标题 title", COLUMNS[: len(rows[0])], rows, right=3)
    written: io.StringIO = output.console.file  # type: ignore[assignment]
    return written.getvalue()


@pytest.mark.parametrize("width", [200, 120, 80, 60, 40, 20])
def test_money_and_names_are_never_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    printed = _printed(monkeypatch, width)
    for whole in ("1,234,567,890.12", "98,765,432.10", "hospital-a.jsonl.zst"):
        assert whole in printed
    assert "…" not in printed


def test_too_narrow_a_window_has_each_row_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = _printed(monkeypatch, 40)
    assert "接收金额 accepted yuan: 1,234,567,890.12\n" in printed
    assert "说明 what: 住院 7 天，床位费收了 8 天。\n" in printed
    assert "接收金额 accepted yuan: " not in _printed(monkeypatch, 120)


@pytest.mark.parametrize("width", [80, 10])
@pytest.mark.parametrize("text", ["[red]x[/red]", "[/]", "a\\[b]", "x\\", ":smile:", "[link=http://x]y[/link]"])
def test_text_that_looks_like_markup_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, text: str, width: int
) -> None:
    assert text in _printed(monkeypatch, width, [(text, "b", "c")])


@pytest.mark.parametrize(
    "text", ["a\x1b[2Jb", "a\rb", "a\nb", "a\x9b31mb", "a\u202eb", "a\udcffb", "[red]a[/red]"], ids=ascii
)
def test_no_line_title_or_cell_passes_on_what_moves_a_terminal(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Whatever a command prints goes through these: tests/deploy/test_house.py looks at that."""
    seen = io.StringIO()
    for name in ("console", "notes"):
        monkeypatch.setattr(output, name, Console(file=seen, width=200))
    monkeypatch.setattr(doctor, "console", output.console)
    output.say(text)
    output.note(text)
    output.print_table(text, COLUMNS[:1], [(text,)])
    doctor._print([Sign(text, State.OK, text, text)])
    assert seen.getvalue().count(neutral(text)) == 7
    assert all(sign.isprintable() for sign in seen.getvalue().replace("\n", ""))
    assert text.isprintable() or text not in seen.getvalue()


@pytest.mark.parametrize(("status", "said"), [("live", ""), ("shadow", "试运行 on trial: ")])
def test_a_rule_that_is_tried_out_is_called_so(status: str, said: str) -> None:
    rule = load_rule_set(load_facts()).rules[0]
    assert output.on_trial(rule.model_copy(update={"status": status})) == said
