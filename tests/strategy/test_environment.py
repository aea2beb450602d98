"""What a run computes with is known, with and without git."""

import json
import shutil
import subprocess

import numpy as np
import tensorflow as tf

from configs.schema import Runtime
from strategy import computing_environment, create_strategy
from strategy.environment import _commit, code_sha256


def test_versions_devices_and_precision_are_told():
    facts = computing_environment(
        create_strategy(Runtime(replicas=2)), "mixed_bfloat16"
    )
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"]["tensorflow"] == tf.__version__
    assert facts["versions"]["numpy"] == np.__version__
    assert {"av", "opencv-python-headless", "cuda", "cudnn"} <= facts["versions"].keys()
    assert (facts["replicas"], facts["precision"]) == (2, "mixed_bfloat16")
    assert [device[:6] for device in facts["devices"]] == ["CPU:0 ", "CPU:1 "]


def git(folder, *arguments):
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", folder, *author, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_commit_of_the_checkout_and_whether_it_was_modified(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    git(tmp_path, "init")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "a")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    assert _commit(tmp_path) == {"commit": commit, "modified": False}
    (tmp_path / "untracked").touch()
    assert _commit(tmp_path)["modified"] is False
    (tmp_path / "file").write_text("b")
    assert _commit(tmp_path)["modified"] is True
    git(inner, "init")
    with monkeypatch.context() as context:  # As in a hook of another repository.
        context.setenv("GIT_DIR", str(inner / ".git"))
        assert _commit(tmp_path)["commit"] == commit
    shutil.rmtree(inner / ".git")
    unknown = {"commit": None, "modified": None}
    assert _commit(inner) == unknown  # A checkout of something else.
    monkeypatch.setenv("PATH", str(inner))
    assert _commit(tmp_path) == unknown


def test_the_commit_is_known_where_git_takes_too_long_for_the_rest(
    repository, monkeypatch
):
    """As on a file server from which nothing has been read yet."""

    def git(folder, *arguments):
        if arguments[0] == "status":
            raise subprocess.TimeoutExpired("git", 10)
        return "abc"

    monkeypatch.setitem(_commit.__globals__, "_git", git)
    assert _commit(repository) == {"commit": "abc", "modified": None}


def test_the_hash_of_the_code_is_that_of_programs_and_packages(tmp_path):
    """As in an image, which holds no git."""
    for name in ("a/__init__.py", "a/b/c.py", "train.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    hashes = [code_sha256(tmp_path)]
    for name in ("tests/t.py", ".venv/lib/l.py", "a/b/data.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        assert code_sha256(tmp_path) == hashes[0]
    for name in ("a/b/c.py", "train.py"):
        (tmp_path / name).write_text("1")
        hashes.append(code_sha256(tmp_path))
    (tmp_path / "a/b/c.py").rename(tmp_path / "a/b/d.py")
    hashes.append(code_sha256(tmp_path))
    assert len(set(hashes)) == 4
