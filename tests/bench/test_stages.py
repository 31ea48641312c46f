"""The clocks of the stages fit the code, and count each stage."""

from bench.stages import STAGES, clocks


def test_every_stage_is_a_function_of_the_path_and_is_counted() -> None:
    with clocks() as spent:
        for functions in STAGES.values():
            for module, name in functions:
                work = getattr(module, name)
                assert work.__name__ == "work", f"{module.__name__}.{name} has no clock"
                try:
                    work()
                except TypeError:
                    continue
    assert spent.keys() == STAGES.keys()
    for functions in STAGES.values():
        for module, name in functions:
            assert getattr(module, name).__name__ == name, "a clock was left behind"
