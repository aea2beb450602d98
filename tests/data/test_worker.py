import json
import os
import signal
import subprocess
import sys
import time
import types

import pytest

from data import decode
from data.worker import Worker
from tests.data.containers import avi, counting_pictures


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.close()


def replace_decoder(monkeypatch, tmp_path, code):
    """Lets workers run a script that misbehaves on files named bad*."""
    script = tmp_path / "decoder.py"
    script.write_text(
        "import json, os, signal, sys, time\n"
        "for line in sys.stdin:\n"
        "    if 'bad' in json.loads(line):\n"
        f"        {code}\n"
        "    print(json.dumps({'frames': 1}), flush=True)\n"
    )
    monkeypatch.setattr(
        "data.worker.decode", types.SimpleNamespace(__file__=str(script))
    )


@pytest.mark.parametrize(
    "code",
    ["os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()", "sys.exit(1)"],
)
def test_crash_costs_one_verdict(worker, monkeypatch, tmp_path, code):
    replace_decoder(monkeypatch, tmp_path, code)

    assert worker.inspect("good", seconds=30) == {"frames": 1}
    assert worker.inspect("bad", seconds=30) == {"reason": "crashes the decoder"}
    assert worker.inspect("good", seconds=30) == {"frames": 1}


def test_single_crash_is_not_held_against_the_file(worker, monkeypatch, tmp_path):
    mark = tmp_path / "crashed"
    replace_decoder(
        monkeypatch,
        tmp_path,
        f"os.path.exists({str(mark)!r}) or (open({str(mark)!r}, 'w'), os.abort())",
    )

    assert worker.inspect("bad", seconds=30) == {"frames": 1}


def test_hanging_decoder_is_given_up(worker, monkeypatch, tmp_path):
    replace_decoder(monkeypatch, tmp_path, "time.sleep(600)")
    start = time.monotonic()

    reply = worker.inspect("bad", seconds=1)

    assert reply == {"reason": "takes the decoder more than 1 seconds"}
    assert time.monotonic() - start < 20
    assert worker.inspect("good", seconds=30) == {"frames": 1}


def test_hanging_decoder_ends_though_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.avi")
    process = subprocess.Popen(
        [sys.executable, decode.__file__, str(4 << 30)],
        stdin=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps([str(tmp_path / "pipe.avi"), 0.5]) + "\n")
    process.stdin.close()
    assert process.wait(30) == -signal.SIGALRM


def test_file_that_needs_too_much_memory_is_named(tmp_path):
    pictures = counting_pictures(2, width=9000, height=9000)
    (tmp_path / "huge.avi").write_bytes(avi(pictures, width=9000, height=9000))
    worker = Worker(memory=700 << 20)
    reply = worker.inspect(str(tmp_path / "huge.avi"), seconds=60)
    worker.close()

    assert set(reply) == {"reason"}
