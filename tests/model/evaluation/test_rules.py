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


def test_results_of_other_projects_rules_are_kept_apart(tmp_path):
    """Those of a version that had no rule but the official one are of that."""
    official = {"view_sampling": ("official",), "short_side": (0,)}
    (tmp_path / "evaluation.json").write_text('{"split": 1}')
    check_output(tmp_path, official)
    with pytest.raises(ConfigError, match=r"view_sampling official \(now torchvision"):
        check_output(tmp_path, official | {"view_sampling": ("torchvision",)})
    with pytest.raises(ConfigError, match=r"short_side 0 \(now 256\)"):
        check_output(tmp_path, official | {"short_side": (256,)})


def test_results_from_before_there_were_segments_are_at_an_interval(tmp_path):
    (tmp_path / "evaluation.json").write_text('{"split": 1}')
    check_output(tmp_path, facts("interval"))
    with pytest.raises(ConfigError, match=r"frame_sampling interval \(now segments\)"):
        check_output(tmp_path, facts("segments"))
