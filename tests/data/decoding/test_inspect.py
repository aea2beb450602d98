import json
import os
import signal
import subprocess
import sys

from data.decoding.inspect import inspect_video
from data.decoding.write import write_video
from tests.data.samples import counting_frames


def test_inspection_tells_what_a_file_holds(tmp_path):
    path = tmp_path / "count.avi"
    write_video(path, counting_frames(40))

    assert inspect_video(path) == {
        "decoder": "opencv",
        "frames": 40,
        "height": 24,
        "width": 32,
        "decoded_height": 24,
        "decoded_width": 32,
        "fps": 25.0,
        "codec": "MJPG",
        "header_frames": 40,
        "seek_exact": True,
    }


def test_hanging_decoder_ends_though_nobody_waits_for_it(tmp_path, repository):
    os.mkfifo(tmp_path / "pipe.avi")
    process = subprocess.Popen(
        [sys.executable, "-m", "data.decoding.inspect", str(4 << 30)],
        cwd=repository,
        stdin=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps([str(tmp_path / "pipe.avi"), 0.5]) + "\n")
    process.stdin.close()
    assert process.wait(30) == -signal.SIGALRM
