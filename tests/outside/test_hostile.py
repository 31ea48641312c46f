"""A share of the hostile requests to every route: each is answered, and none ends in a fault of the server."""

from collections import Counter

from .desk import Served
from .hostile import EACH_AT_LEAST, MOST_GROWTH, Answer, Run, answers, fault_of
from .spoilt import Known, requests, targets

EACH = 20
NOBODY = Known("fundwatch_1=x", "x", ["0" * 32], ["0" * 32])


def test_no_hostile_request_ends_in_a_fault(served: Served) -> None:
    got = list(answers(served, EACH))
    assert len(got) == EACH * len(targets())
    assert [fault for answer in got if (fault := fault_of(answer))] == []
    assert {2, 3, 4} <= {answer.status // 100 for answer in got}


def test_a_run_names_what_was_wrong_with_it() -> None:
    request = next(requests(lambda: NOBODY, 1, 1))
    whole = Run({request.target: [Answer(request, 200, 0.9)]}, [], 90.0, 90.0 + MOST_GROWTH, 0.9)
    assert whole.wrongs() == []
    late = Run({request.target: [Answer(request, 200, 1.1)]}, ["a fault"], 90.0, 91.0 + MOST_GROWTH, 1.1)
    assert [sentence.split()[-1] for sentence in late.wrongs()] == ["fault", "s", "s", "MB"]


def test_every_route_is_sent_as_many_and_no_two_alike() -> None:
    made = list(requests(lambda: NOBODY, 1, EACH_AT_LEAST))
    assert Counter(request.target for request in made) == dict.fromkeys(targets(), EACH_AT_LEAST)
    assert len({request.raw for request in made}) > 0.9 * len(made)


def test_a_seed_makes_the_same_requests_again() -> None:
    assert list(requests(lambda: NOBODY, 7, 3)) == list(requests(lambda: NOBODY, 7, 3))
    assert list(requests(lambda: NOBODY, 7, 3)) != list(requests(lambda: NOBODY, 8, 3))
