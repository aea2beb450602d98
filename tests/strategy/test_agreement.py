"""Workers that do not share a folder, the code or the options end before they begin."""

import dataclasses
import threading

import pytest

from configs import demo
from configs.command.errors import (
    ConfigError,
    LockedError,
    StorageError,
    WorkerError,
)
from storage.lock import locked, signature
from storage.run_folder import RunFolder
from strategy import agreement
from strategy.agreement import check_same, open_folder
from strategy.workers import Workers
from tests.strategy.local import everyone


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Nothing is waited for, unless a test says so."""
    monkeypatch.setattr(agreement, "LOCKED", 0.0)
    monkeypatch.setattr(agreement, "UNSEEN", 0.0)


def opened(paths):
    """A function of workers that opens a folder of each of them."""

    def work(workers):
        with open_folder(str(paths[workers.index]), workers) as folder:
            workers.gather("all see it", None)
            return folder.path

    return work


def test_a_folder_that_all_see_is_opened(tmp_path):
    assert everyone(2, opened([tmp_path / "a"] * 2)) == [tmp_path / "a"] * 2


def test_a_folder_that_not_all_see_is_refused(tmp_path):
    errors = everyone(2, opened([tmp_path / "a", tmp_path / "b"]))
    assert isinstance(errors[1], StorageError) and isinstance(errors[0], WorkerError)
    for error in errors:
        assert error.exit_code == 6
        assert "must be a folder that all workers see" in str(error)


def test_a_folder_that_an_earlier_process_of_the_same_name_signed_is_another(tmp_path):
    """In a new container the process ids are the same again."""
    with locked(tmp_path / "b"):
        pass
    errors = everyone(2, opened([tmp_path / "a", tmp_path / "b"]))
    assert [error.exit_code for error in errors] == [6, 6]


def test_a_folder_that_shows_late_is_waited_for(tmp_path, monkeypatch):
    """As a client of NFS that has just asked for it, and found nothing."""
    monkeypatch.setattr(agreement, "UNSEEN", 10**6)
    monkeypatch.setattr(agreement.time, "sleep", lambda _: None)
    looks, alive = [], []

    def late(self, there):
        looks.append(1)
        return len(looks) > 3 and signature(self.path) == there

    monkeypatch.setattr(RunFolder, "is_seen", late)
    monkeypatch.setattr(Workers, "alive", lambda self: alive.append(self.index))
    assert everyone(2, opened([tmp_path] * 2)) == [tmp_path] * 2
    assert len(looks) == 4 and alive == [1, 1, 1]


def test_nobody_looks_for_a_folder_before_the_chief_has_made_it(tmp_path, monkeypatch):
    path, looked = tmp_path / "new", []
    create = RunFolder.__init__

    def __init__(self, name):
        looked.append(path.exists())
        create(self, name)

    monkeypatch.setattr(RunFolder, "__init__", __init__)
    everyone(2, opened([path] * 2))
    assert looked == [False, True]


def test_a_folder_that_cannot_be_signed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.lock._sign", lambda _: "")
    errors = everyone(2, opened([tmp_path] * 2))
    assert [error.exit_code for error in errors] == [6, 6]
    assert "could not be signed" in str(errors[0])


def test_one_of_several_workers_waits_for_a_lock(tmp_path, monkeypatch, caplog):
    """A file server keeps that of a machine that died for a while."""
    monkeypatch.setattr(agreement, "LOCKED", 600.0)
    monkeypatch.setattr("storage.lock.PAUSE", 0.01)
    alive, freed = [], threading.Event()

    def count(self):
        alive.append(self.index)
        if len(alive) > 3:
            freed.set()

    monkeypatch.setattr(Workers, "alive", count)

    def holder():
        with locked(tmp_path):
            held.set()
            assert freed.wait(120)

    held = threading.Event()
    thread = threading.Thread(target=holder)
    thread.start()
    assert held.wait(120)
    assert everyone(2, opened([tmp_path] * 2)) == [tmp_path] * 2
    thread.join()
    assert caplog.text.count("waiting for 10 minutes at most") == 1
    assert set(alive) == {0}


def test_what_others_go_on_holding_is_refused_to_all(tmp_path):
    with locked(tmp_path):
        errors = everyone(2, opened([tmp_path] * 2))
    assert isinstance(errors[0], LockedError)
    assert [error.exit_code for error in errors] == [7, 7]


def test_a_worker_alone_does_not_wait_for_a_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "LOCKED", 10**6)
    with locked(tmp_path), pytest.raises(LockedError):
        opened([tmp_path])(Workers())


def same(monkeypatch, *installed):
    """What each worker of as many says to its installation."""
    own = threading.local()
    monkeypatch.setattr(agreement, "versions", lambda: own.installed)
    monkeypatch.setattr(agreement, "code_sha256", lambda: own.code)

    def work(workers):
        own.installed = {"versions": {"av": 1}} | installed[workers.index]
        own.code = own.installed.pop("code", "c")
        return check_same(demo.config(), workers)

    return everyone(len(installed), work)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"commit": "b"}, "commit is 'a' on worker 0, 'b' on worker 1"),
        ({"commit": None}, "commit is 'a' on worker 0, None on worker 1"),
        ({"code": "d"}, "code is 'c' on worker 0, 'd' on worker 1"),
        ({"versions": {"av": 2}}, "versions.av is 1 on worker 0, 2 on worker 1"),
    ],
)
def test_another_installation_is_refused_by_all(monkeypatch, other, difference):
    one = {"commit": "a", "modified": False}
    for error in same(monkeypatch, one, one | other):
        assert isinstance(error, ConfigError)
        assert (
            str(error) == f"All workers must have the same installation; {difference}."
        )


def test_whether_other_files_than_the_code_are_modified_is_no_difference(monkeypatch):
    """Git may have been too slow to tell."""
    told = [{"commit": "a", "modified": value} for value in (True, None)]
    assert same(monkeypatch, *told) == [None, None]


def test_only_what_is_a_worker_s_own_may_differ():
    def work(workers):
        config = demo.config()
        data = dataclasses.replace(config.data, root=str(workers.index), threads=1)
        return check_same(dataclasses.replace(config, data=data), workers)

    assert everyone(2, work) == [None, None]
