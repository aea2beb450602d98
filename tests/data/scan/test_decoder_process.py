import io
import itertools
import sys

import pytest

from data.decoding.inspect import Signs
from data.scan import DecoderProcess
from tests.data.containers import avi, counting_pictures


@pytest.fixture
def decoder():
    with DecoderProcess() as decoder:
        yield decoder


def replace_decoder(monkeypatch, tmp_path, code):
    """Lets decoders run a script that misbehaves on the file named bad."""
    script = tmp_path / "decoder.py"
    script.write_text(
        "import json, os, signal, sys, time\n"
        "for line in sys.stdin:\n"
        "    if os.path.basename(json.loads(line)[0]) == 'bad':\n"
        f"        {code}\n"
        "    print(json.dumps({'frames': 1}), flush=True)\n"
    )
    monkeypatch.setattr(
        "data.scan.decoder_process.COMMAND", (sys.executable, str(script))
    )


@pytest.mark.parametrize(
    "code",
    ["os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()", "sys.exit(1)"],
)
def test_crash_costs_one_verdict(decoder, monkeypatch, tmp_path, code):
    replace_decoder(monkeypatch, tmp_path, code)

    assert decoder.inspect("good", seconds=30) == {"frames": 1}
    assert decoder.inspect("bad", seconds=30) == {"reason": "crashes the decoder"}
    assert decoder.inspect("good", seconds=30) == {"frames": 1}


def test_single_crash_does_not_make_a_file_bad(decoder, monkeypatch, tmp_path):
    mark = tmp_path / "crashed"
    replace_decoder(
        monkeypatch,
        tmp_path,
        f"os.path.exists({str(mark)!r}) or (open({str(mark)!r}, 'w'), os.abort())",
    )

    assert decoder.inspect("bad", seconds=30) == {"frames": 1}


def test_hanging_decoder_is_given_up(decoder, monkeypatch, tmp_path):
    replace_decoder(monkeypatch, tmp_path, "time.sleep(600)")

    reply = decoder.inspect("bad", seconds=1)  # Else the test would last ten minutes.

    assert reply == {"reason": "gives the decoder no frame in 1 seconds"}
    assert decoder.inspect("good", seconds=30) == {"frames": 1}


@pytest.mark.parametrize(
    "code",
    [
        r"os.write(1, b'{}\n{}\n{}\n')",
        r"[os.write(1, bytes([byte])) for byte in b'{}\n{}\n']",
    ],
    ids=["several at once", "byte by byte"],
)
def test_signs_of_life_are_no_reply(decoder, monkeypatch, tmp_path, code):
    replace_decoder(monkeypatch, tmp_path, code)

    assert decoder.inspect("bad", seconds=60) == {"frames": 1}


def test_recording_may_last_for_hours_as_long_as_frames_come(monkeypatch):
    clock, written = itertools.count(0.0, 0.4), io.StringIO()
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr(
        "signal.setitimer", lambda which, seconds: timers.append(seconds)
    )
    timers = []
    alive = Signs(written, 61)
    for _ in range(10):
        alive()

    assert written.getvalue() == "{}\n" * 4  # at 0, 1.2, 2.4 and 3.6 seconds
    assert timers == [61] * 5


def test_file_that_needs_too_much_memory_is_named(tmp_path):
    pictures = counting_pictures(2, width=9000, height=9000)
    (tmp_path / "huge.avi").write_bytes(avi(pictures, width=9000, height=9000))
    with DecoderProcess(memory=700 << 20) as decoder:
        reply = decoder.inspect(str(tmp_path / "huge.avi"), seconds=60)

    assert set(reply) == {"reason"}


def test_current_directory_does_not_matter(decoder, monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/__init__.py").write_text("raise ImportError")
    (tmp_path / "count.avi").write_bytes(avi(counting_pictures(5)))
    monkeypatch.chdir(tmp_path)

    assert decoder.inspect("count.avi", seconds=60)["frames"] == 5
