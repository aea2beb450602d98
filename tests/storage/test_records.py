import dataclasses
from typing import Annotated

import msgspec
import pytest

from storage.records import check, decode


@dataclasses.dataclass(frozen=True)
class Video:
    frames: Annotated[int, msgspec.Meta(ge=0)]
    fps: float = 0.0


def test_reads_a_record():
    assert decode('{"frames": 3, "fps": 0.1}', Video) == Video(3, 0.1)
    assert decode(b'{"frames": 3, "new": []}', Video) == Video(3)


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"frames": "3"}', r"\$\.frames"),
        ('{"frames": -1}', r"\$\.frames"),
        ('{"frames": 1.5}', r"\$\.frames"),
        ('{"frames": true}', r"\$\.frames"),
        ('{"frames": 3, "fps": NaN}', "malformed"),
        ('{"frames": 1e400}', "out of range|frames"),
        ("{}", "frames"),
        ("[]", "object"),
        ("", "truncated"),
        ('{"frames": 3', "truncated"),
        ("[" * 100_000, "recursion|depth|object"),
        (b'{"frames": 3, "\xff": 1}', "utf-8|UTF-8"),
    ],
)
def test_names_the_field_that_is_wrong(text, message):
    with pytest.raises(ValueError, match=message) as error:
        decode(text, Video)
    assert "\n" not in str(error.value)


def test_depth_is_limited():
    with pytest.raises(ValueError, match="recursion"):
        decode("[" * 100_000, list)


def test_what_was_read_already_may_hold_nan():
    check({"frames": 3, "fps": float("nan")}, Video)
    with pytest.raises(ValueError, match=r"\$\.frames"):
        check({"frames": "3"}, Video)
