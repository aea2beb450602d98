"""--help shows each option once, below its section."""

import re

from absl import flags as absl_flags

from configs.command.flags import define
from configs.command.help import describe
from configs.schema import Experiment
from configs.schema.section import options


def text():
    values = absl_flags.FlagValues()
    define(values)
    return describe(values[name] for name in values)


def test_options_stand_in_the_order_of_the_schema():
    shown = re.findall(r"^  --(?:\[no\])?([\w.]+):", text(), re.MULTILINE)
    names = [name for name, *_ in options(Experiment)]
    assert [name for name in shown if name in names] == names
    assert shown[:2] == ["config", "dump_config"] and "workdir" in shown


def test_each_section_has_a_title_that_says_what_it_is():
    lines = text().splitlines()
    titles = [line.partition(":")[0] for line in lines if line and line[0] != " "]
    assert titles == [
        *("Flags", "data", "model", "optimizer", "runtime", "checkpoints", "views")
    ]
    assert "views: The views of each test video whose probabilities are" in text()


def test_a_flag_has_its_help_and_its_type():
    flat = " ".join(text().split())
    assert "--data.batch_size: Clips of one optimizer update, summed" in flat
    assert "says otherwise: 64. (an integer)" in flat
    assert max(map(len, text().splitlines())) <= 80
