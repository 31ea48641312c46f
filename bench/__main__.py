"""``python -m bench [NAME ...]`` measures and writes bench/results; ``python -m bench report`` writes the tables."""

import sys
from collections.abc import Callable, Sequence

from bench import answers, decoding, desk, gateway, histories, importing, journal, judging, stages, streams
from bench.report import write_report
from bench.results import Result, save_results

BENCHMARKS: dict[str, Callable[[], list[Result]]] = {
    "decoding": decoding.run,
    "judging": judging.run,
    "histories": histories.run,
    "answers": answers.run,
    "journal": journal.run,
    "gateway": gateway.run,
    "importing": importing.run,
    "stages": stages.run,
    "streams": streams.run,
    "desk": desk.run,
}


def main(names: Sequence[str]) -> int:
    """Runs the named benchmarks, all where none is named, and brings the README's tables to their results."""
    if list(names) == ["report"]:
        write_report(BENCHMARKS)
        return 0
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"没有这项测量 / no such benchmark: {', '.join(unknown)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        results = BENCHMARKS[name]()
        save_results(name, results)
        for result in results:
            print(f"{name}: {result.job}: {result.value:,g} {result.unit}")
    write_report(BENCHMARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
