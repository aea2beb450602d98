"""Files are read whatever their names are; OpenCV alone crashes on some."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from data.decoding.write import write_video
from tests.data.samples import counting_frames

NAMES = (
    b"plain.avi",
    "café 快 😀.avi".encode(),
    b"caf\xe9.avi",
    b"\xff\xfe",
    b"a\nb\x1b[31m.avi",
    b"pay_$5_%d_{0}\\.avi",
)
CODE = """
import os, sys
import numpy as np
from data.decoding.video import read_clip
from data.scan import DecoderProcess, scan_file
for name in sorted(os.listdir(os.fsencode(sys.argv[1]))):
    path = os.fsdecode(os.path.join(os.fsencode(sys.argv[1]), name))
    with DecoderProcess() as decoder:
        video = scan_file(path, decoder)
    out = np.empty((1, 2, 3, 24, 24), np.uint8)
    read_clip(path, video, frames=[3, 7], regions=[(0, 0, 24, 24)], size=24, out=out)
    print(video.frames, *np.rint(out.mean(axis=(0, 2, 3, 4)) / 5).astype(int))
"""


@pytest.mark.parametrize(
    "locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_any_name_is_read(repository, tmp_path, locale):
    """In a process, which an unfit name would crash; 12 frames, of which 3 and 7."""
    folder = os.fsencode(tmp_path / "videos")
    os.mkdir(folder)
    write_video(tmp_path / "x.avi", counting_frames(12))
    for name in NAMES:
        shutil.copy(tmp_path / "x.avi", os.path.join(folder, name))
    result = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path / "videos"],
        cwd=repository,
        env=os.environ | locale,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["12 3 7"] * len(NAMES)


ONCE = """
import dataclasses, json, os, sys
import numpy as np
from data.decoding.video import read_clip
from data.scan import DecoderProcess, Video, scan_file
path = os.fsdecode(json.loads(sys.argv[1]).encode())
if len(sys.argv) > 2:
    video = Video(**json.loads(sys.argv[2]))
else:
    with DecoderProcess() as decoder:
        video = scan_file(path, decoder)
out = np.empty((1, 2, 3, 24, 24), np.uint8)
read_clip(path, video, frames=[3, 7], regions=[(0, 0, 24, 24)], size=24, out=out)
print(json.dumps([dataclasses.asdict(video), out.tobytes().hex()]))
"""


def test_a_scan_and_its_clips_are_the_same_in_every_locale(repository, tmp_path):
    """A cache that one locale wrote is read in another."""
    folder = tmp_path / "vid\u00e9os"
    folder.mkdir()
    write_video(tmp_path / "x.avi", counting_frames(12))
    path = shutil.copy(tmp_path / "x.avi", folder / "caf\u00e9 \u5feb.avi")

    def result(locale, *video):
        output = subprocess.check_output(
            [sys.executable, "-c", ONCE, json.dumps(str(path)), *video],
            cwd=repository,
            env=os.environ | locale,
            text=True,
        )
        return json.loads(output)

    c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    video, pixels = result({"PYTHONUTF8": "1"})
    assert (video["decoder"], video["frames"]) == ("opencv", 12)
    assert result(c) == [video, pixels]
    assert result(c, json.dumps(video)) == [video, pixels]


def test_a_video_is_not_written_where_opencv_would_crash(tmp_path):
    with pytest.raises(OSError, match="must be UTF-8"):
        write_video(tmp_path / os.fsdecode(b"caf\xe9.avi"), counting_frames(2))
