"""Files are read whatever their names are; OpenCV alone crashes on some."""

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


def test_a_video_is_not_written_where_opencv_would_crash(tmp_path):
    with pytest.raises(OSError, match="must be UTF-8"):
        write_video(tmp_path / os.fsdecode(b"caf\xe9.avi"), counting_frames(2))
