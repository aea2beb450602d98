import functools
import threading

import pytest

from data.ahead import run_ahead


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads):
    jobs = (functools.partial(pow, 2, n) for n in range(20))
    assert list(run_ahead(jobs, threads)) == [2**n for n in range(20)]


def test_as_many_run_side_by_side_as_there_are_threads():
    together = threading.Barrier(3)
    assert sorted(run_ahead([together.wait] * 6, 3)) == [0, 0, 1, 1, 2, 2]


def test_jobs_are_taken_when_there_is_a_thread_for_them():
    taken = []

    def jobs():
        for n in range(9):
            taken.append(n)
            yield functools.partial(int, n)

    results = run_ahead(jobs(), 2)
    assert not taken
    assert next(results) == 0 and taken == [0, 1]
    assert next(results) == 1 and taken == [0, 1, 2]
    results.close()  # Nobody wants the rest.
    assert taken == [0, 1, 2]


def test_an_error_comes_in_its_place():
    results = run_ahead([int, functools.partial(int, "x"), int], 2)
    assert next(results) == 0
    with pytest.raises(ValueError):
        next(results)
