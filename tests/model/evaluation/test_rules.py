"""Results are not written over those of another measurement."""

import pytest

from configs.command.errors import ConfigError
from model.evaluation.rules import check_output


def facts(sampling):
    return {"split": (1,), "frame_sampling": (sampling,)}


def test_a_folder_holds_the_results_of_one_measurement(tmp_path):
    check_output(tmp_path, facts("segments"))
    (tmp_path / "evaluation.json").write_text(
        '{"split": 1, "frame_sampling": "segments"}'
    )
    check_output(tmp_path, facts("segments"))
    with pytest.raises(ConfigError, match=r"frame_sampling segments \(now interval\)"):
        check_output(tmp_path, facts("interval"))


def test_results_from_before_there_were_segments_are_at_an_interval(tmp_path):
    (tmp_path / "evaluation.json").write_text('{"split": 1}')
    check_output(tmp_path, facts("interval"))
    with pytest.raises(ConfigError, match=r"frame_sampling interval \(now segments\)"):
        check_output(tmp_path, facts("segments"))
