"""Loading: a full knowledge base into a fresh process, as a worker does it, with the memory that it takes.

``python -m bench.loading FILE`` loads a published rule set and ``python -m bench.loading FOLDER`` rules and catalogues
from YAML files; both print seconds and megabytes.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.generated import SOURCE, as_published
from bench.results import Reporter, Result, measure_interleaved
from knowledge_base.catalogues.files import CATALOGUES, load_facts
from knowledge_base.facts import Facts
from knowledge_base.subjects import PATIENT
from rules_lib.publication import pack, unpack
from rules_lib.rule_files import RULES, load_rule_set
from rules_lib.rule_set import RuleSet

_AIM_SECONDS = 2.0


def results(large: RuleSet) -> list[Result]:
    """Seconds and megabytes of loading a rule set from its published form, and from the files it came from."""
    published = RuleSet(large.rules, Facts(as_published(large.facts.points)))
    with tempfile.TemporaryDirectory() as name:
        packed, files = Path(name, "packed"), Path(name, "files")
        packed.write_bytes(pack(published))
        _write_files(published, files)
        measured = measure_interleaved({"packed": lambda: _load(packed), "files": lambda: _load(files)})
    taken = {f"{name} {what}": [run[what] for run in runs] for name, runs in measured.items() for what in runs[0]}
    report = Reporter("judging", taken)
    of = f"{len(large.rules)} rules and {sum(len(point.codes) for point in large.facts.points):,} code-level facts"
    return [
        report.result(f"load {of}, published", "packed seconds", "s", "less", aim=_AIM_SECONDS),
        report.result("memory of that once loaded", "packed megabytes", "MB", "less"),
        report.result(f"load {of} from YAML files, all checked", "files seconds", "s", "less"),
    ]


def _write_files(rule_set: RuleSet, folder: Path) -> None:
    """The rules and points as files beside the published catalogues; rules are published ones under other ids."""
    catalogues: dict[str, list[str]] = {}
    for point in rule_set.facts.points:
        if point.source == SOURCE:
            row = point.row.model_dump(mode="json", exclude_defaults=True)
            catalogues.setdefault(point.catalogue, []).append(f"  - {json.dumps(row, ensure_ascii=False)}\n")
    shutil.copytree(CATALOGUES, folder / "catalogues")
    for name, rows in catalogues.items():
        head = f'catalogue: {name}\ntitle: {name}\nbatch: "1"\nsource: {SOURCE}\nlocalised: true\n'
        dates = "recorded_on: 2025-12-31\nvalid_from: 2025-12-31\n"
        path = folder / "catalogues" / f"generated_{name}.yaml"
        path.write_text(f"{head}{dates}points:\n{''.join(rows)}", encoding="utf-8")
    for number, rule in enumerate(rule_set.rules):
        text = (RULES / rule.topic / rule.file).read_text(encoding="utf-8")
        path = folder / "rules" / rule.topic / f"{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"id: {rule.id}\n" + text.partition("\n")[2], encoding="utf-8")


def _load(path: Path) -> dict[str, float]:
    run = subprocess.run([sys.executable, "-m", "bench.loading", str(path)], capture_output=True, text=True, check=True)
    loaded: dict[str, float] = json.loads(run.stdout)
    return loaded


def main(path: Path) -> None:
    """Loads and prints how long that took and by how much the process grew, ready to judge."""
    before, start = _megabytes(), time.perf_counter()
    if path.is_dir():
        rule_set = load_rule_set(load_facts(path / "catalogues"), path / "rules")
    else:
        rule_set = unpack(path.stem, path.read_bytes())
    rules = rule_set.of(PATIENT)
    assert rules.by_code is not None
    assert rules.whole_item_codes is not None
    seconds = time.perf_counter() - start
    gc.collect()
    print(json.dumps({"seconds": seconds, "megabytes": _megabytes() - before}))


def _megabytes() -> float:
    """What the process holds in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]))
