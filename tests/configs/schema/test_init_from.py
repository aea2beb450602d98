"""RUN, RUN@best and RUN@STEP are told apart."""

from pathlib import Path

import pytest

from configs.command.errors import ConfigError
from configs.schema.init_from import InitFrom


@pytest.mark.parametrize(
    ("text", "run", "checkpoint"),
    [
        ("runs/a", "runs/a", None),
        ("runs/a@best", "runs/a", "best"),
        ("runs/a@0", "runs/a", 0),
        ("runs/a@00000120", "runs/a", 120),
        ("me@home/a@7", "me@home/a", 7),
        ("me@home/a", "me@home/a", None),
        ("runs/a@7/", "runs/a@7", None),  # A folder of that name.
        ("runs/a@newest", "runs/a@newest", None),
        ("runs/a@-1", "runs/a@-1", None),
        ("runs/a@٣", "runs/a@٣", None),  # A digit, but none of a step.
        ("@best", "@best", None),
    ],
)
def test_the_run_and_its_checkpoint_are_read(text, run, checkpoint):
    assert InitFrom.parse(text) == InitFrom(Path(run), checkpoint)


def test_what_is_no_run_says_what_must_be_given(tmp_path):
    with pytest.raises(ConfigError, match="RUN@best or RUN@STEP.*holds no config.json"):
        _ = InitFrom.parse(f"{tmp_path}@newest").config_path
    (tmp_path / "config.json").touch()
    assert InitFrom.parse(f"{tmp_path}@best").config_path == tmp_path / "config.json"
