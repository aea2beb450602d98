"""Several evaluations side by side, and whether they can be told apart."""

import dataclasses
import json
import subprocess
import sys
import types

import numpy as np
import pytest

from configs.command.errors import ConfigError
from configs.demo import config
from configs.schema import Views
from model.evaluation.compare import main, of_splits, pair, read_evaluation, table
from model.evaluation.evaluator import Probabilities
from model.evaluation.report import write_report

NAMES = ("=left", "'right")
FACTS = {"test_fingerprint": "0" * 64}


def measure(folder, right, *, facts=FACTS, experiment=None, suffix="", order=1):
    """Writes an evaluation in which these videos are predicted right."""
    labels = np.arange(len(right)) % 2
    mean = np.eye(2)[np.where(right, labels, 1 - labels)]
    videos = [f"-{number}.avi" for number in range(len(right))]
    clips = types.SimpleNamespace(
        test_videos=videos[::order], test_labels=labels[::order], class_names=NAMES
    )
    probabilities = Probabilities(
        mean=mean[::order],
        single_clip=mean[::order],
        single_view=mean[::order],
        readable=np.ones(len(right), bool),
        seconds=1.0,
    )
    experiment = experiment or config()
    write_report(
        folder, probabilities, clips, experiment, 7, facts=facts, suffix=suffix
    )
    return str(folder / f"evaluation{suffix}.json")


def compared(*names):
    """The lines about a pair of evaluations."""
    return list(pair(*map(read_evaluation, names)))


def right(*, alone=0, there=0, both=30):
    """Which videos two models are right about, so many only the first."""
    first = [True] * (both + alone) + [False] * there
    return first, [True] * both + [False] * alone + [True] * there


def test_pairs_are_tested_by_the_videos_that_tell_them_apart(tmp_path):
    """By hand: 1 of 7 on one side is 2 (1 + 7) / 2^7."""
    first, second = right(alone=6, there=1)
    one = measure(tmp_path / "one", first)
    other = measure(tmp_path / "other", second, order=-1)  # Listed the other way round.
    assert compared(one, other) == [
        f"{one} and {other}",
        "  right in one alone: 6 and 1 of 37 videos; McNemar p = 0.125",
    ]
    assert compared(other, one)[1].startswith("  right in one alone: 1 and 6 of 37")
    assert compared(one, one)[1].endswith("0 and 0 of 37 videos; McNemar p = 1")


def test_the_table_has_a_row_for_each(tmp_path):
    first, second = right(alone=3, there=4)
    one = Views(clips=1, crops=1)
    other = dataclasses.replace(config(), views=one)
    measure(tmp_path / "run", first)
    name = measure(tmp_path / "run", second, experiment=other, suffix="-1x1")
    lines = list(table([read_evaluation(str(tmp_path / "run")), read_evaluation(name)]))
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == [
        *(str(tmp_path / "run"), "0.8919", "0.7529-0.9571"),
        *("0.8918", "7", "37", "2x1"),
    ]
    assert lines[2].split()[1] == "0.9189" and lines[2].endswith("1x1")
    (_, marked, tested) = compared(str(tmp_path / "run"), name)
    assert marked == "  measured otherwise: clips 2 and 1"
    assert "3 and 4 of 37 videos; McNemar p = 1" in tested


@pytest.mark.parametrize("other", ["names", "content"])
def test_other_videos_are_not_compared(tmp_path, other):
    first, second = right()
    if other == "names":
        second += [True]
    one = measure(tmp_path / "one", first)
    facts = {"test_fingerprint": "1" * 64} if other == "content" else FACTS
    other = measure(tmp_path / "other", second, facts=facts)
    assert compared(one, other)[1:] == [
        "  not compared: their test videos are not the same"
    ]


def test_a_result_of_an_earlier_version_can_be_compared(tmp_path):
    first, second = right(alone=2)
    one = measure(tmp_path / "one", first)
    other = measure(tmp_path / "other", second)
    old = json.loads((tmp_path / "other" / "evaluation.json").read_text())
    for name in ("test_fingerprint", "frame_sampling", "precision", "top1_interval"):
        del old[name]
    (tmp_path / "other" / "evaluation.json").write_text(json.dumps(old))
    assert compared(one, other)[1:] == [
        "  right in one alone: 2 and 0 of 32 videos; McNemar p = 0.5"
    ]


def test_a_video_without_a_prediction_is_wrong(tmp_path):
    path = measure(tmp_path, [True] * 4)
    csv = tmp_path / "predictions.csv"
    text = csv.read_text().splitlines()
    text[1] = text[1].replace('"\'=left","\'=left",1.0', '"\'=left","",""')
    csv.write_text("\r\n".join(text))
    result = json.loads((tmp_path / "evaluation.json").read_text()) | {"top1": 0.75}
    (tmp_path / "evaluation.json").write_text(json.dumps(result))
    assert sorted(read_evaluation(path).right.values()) == [False, True, True, True]


def test_what_is_no_evaluation_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="must be a folder with an evaluation.json"):
        read_evaluation(str(tmp_path))
    path = measure(tmp_path, [True] * 4)
    csv = tmp_path / "predictions.csv"
    whole = csv.read_text()
    csv.write_text("\r\n".join(whole.splitlines()[:-1]))
    with pytest.raises(ConfigError, match="is not of the same evaluation as"):
        read_evaluation(path)
    csv.write_text(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="predictions.csv"):
        read_evaluation(path)
    csv.unlink()
    with pytest.raises(ConfigError, match="predictions.csv must be as the run wrote"):
        read_evaluation(path)
    with pytest.raises(ConfigError, match="Two or more evaluations .* received 1"):
        main([path])


def test_the_command_needs_no_tensorflow(repository, tmp_path):
    first, second = right(alone=1, there=1)
    names = measure(tmp_path / "one", first), measure(tmp_path / "two", second)
    code = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('model.evaluation.compare', run_name='__main__')\n"
        "finally:\n"
        "    sys.stderr.write(str('tensorflow' in sys.modules))\n"
    )
    # The program ends by os._exit, unless there is an error; here without one.
    code = code.replace("try:", "import os; os._exit = sys.exit\ntry:")
    result = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("McNemar p = 1") == 1
    assert result.stderr.endswith("False")


def of_split(split, source="ucf101", **views):
    experiment = config()
    data = dataclasses.replace(experiment.data, split=split, source=source)
    views = dataclasses.replace(experiment.views, **views)
    return dataclasses.replace(experiment, data=data, views=views)


def test_the_mean_of_the_official_splits_comes_with_its_spread(tmp_path):
    """By hand: 27, 28 and 29 of 30 are 0.9333 on average; they spread by 1/30."""
    evaluations = []
    for split in (3, 1, 2):
        path = measure(
            tmp_path / f"{split}",
            [True] * (26 + split) + [False] * (4 - split),
            experiment=dataclasses.replace(of_split(split), seed=split),
        )
        evaluations.append(read_evaluation(path))
    first, top1, per_class = of_splits(evaluations)
    assert first == "mean of splits 1, 2, 3 of ucf101"
    assert top1 == "  top-1 0.9333, standard deviation 0.0333"
    assert per_class.startswith("  mean class 0.9333, standard deviation ")


def test_a_mean_is_taken_of_what_was_measured_alike_only(tmp_path):
    def opened(name, experiment):
        return read_evaluation(
            measure(tmp_path / name, [True] * 4, experiment=experiment)
        )

    one = opened("one", of_split(1))
    again, two = opened("again", of_split(1)), opened("two", of_split(2))
    others = [opened("other", of_split(2, clips=1)), opened("h", of_split(2, "hmdb51"))]
    assert len(list(of_splits([one, two]))) == 3
    assert not list(of_splits([one, again, two]))
    assert "not taken" in list(of_splits([one, others[0]]))[1]
    assert not list(of_splits([one, others[1]]))
    assert not list(of_splits([opened("f1", of_split(1, "folder")), two]))
