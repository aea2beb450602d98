"""What TensorBoard shows of a run besides its curves: options and pictures."""

import operator
import re
import struct

from absl import logging
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.util.tensor_util import make_tensor_proto

from configs.command.text import printable
from configs.schema.experiment import Experiment
from configs.schema.section import options

CLIPS = 8  # that the picture of the first batch has room for
MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]()>#+\-.!|~:])")  # in Markdown


def introduction(config, name, first_clips):
    """What is known of a run before its first step.

    Args:
        config: the `Experiment`.
        name: what the run is called among others.
        first_clips: the function `data.clips.Clips.first`.

    Returns:
        list of `Summary.Value`: all options as a table, those that decide what is
        learnt for the HParams page, and clips of the first batch. A picture that cannot
        be made is left out, with a warning.
    """
    values = [text_value("options", options_table(config))]
    values += hparams.hparams_pb(hyperparameters(config), trial_id=name).value
    try:
        picture = _sheet(first_clips(min(CLIPS, config.data.batch_size)))
        values.append(picture_value("first_batch", picture))
    except Exception as error:  # It is never worth a run.
        what = type(error).__name__
        logging.warning("No picture of the first batch (%s: %s).", what, error)
    return values


def options_table(config):
    """All options of an `Experiment` as a table in Markdown."""
    lines = ["| option | value |", "|---|---|"]
    for name, value, _ in _values(config):
        text = printable(_text(value)).replace("&", "&amp;").replace("<", "&lt;")
        text = MEANS_SOMETHING.sub(r"\\\1", text)
        lines.append(f"| {name} | {text} |")
    return "\n".join(lines)


def hyperparameters(config):
    """The options of an `Experiment` with which a run must go on as it began.

    And its handle, whose weights are in its checkpoints once it has begun.

    Args:
        config: the `Experiment`.

    Returns:
        dict of name -> bool, number or text.
    """
    return {
        name: value if isinstance(value, bool | int | float) else _text(value)
        for name, value, field in _values(config)
        if name == "model.handle" or not field.metadata["may_change"]
    }


def text_value(tag, markdown):
    """A text in Markdown as a `Summary.Value`."""
    return Summary.Value(
        tag=tag,
        metadata=create_summary_metadata(display_name=None, description=None),
        tensor=make_tensor_proto([markdown.encode()]),
    )


def picture_value(tag, png):
    """The bytes of a PNG file as a `Summary.Value`."""
    # Its first chunk begins at byte 8 and holds the size from byte 16 on.
    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(encoded_image_string=png, width=width, height=height)
    return Summary.Value(tag=tag, image=image)


def _sheet(clips):
    """A contact sheet of clips, as the bytes of a PNG file."""
    # Only here: matplotlib takes long to import, and a run that goes on needs none.
    from storage.contact_sheets import clip_title, contact_sheet_png

    shown, *titles = zip(*clips, strict=True)
    return contact_sheet_png(list(map(clip_title, *titles)), shown)


def _values(config):
    """(dotted name, value, dataclass field) of every option."""
    for name, _, field in options(Experiment):
        yield name, operator.attrgetter(name)(config), field


def _text(value):
    """A value as its flag takes it."""
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    is_word = value is None or isinstance(value, bool)
    return str(value).lower() if is_word else str(value)
