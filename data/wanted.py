"""Which data set the flags of `data.check` and `data.pack` mean."""

import dataclasses

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import load, load_wanted
from data.sources import open_source
from data.sources.ucf101_layout import has_lists
from storage.run_folder import RunFolder

FLAGS = flags.FLAGS


def wanted_data(folders):
    """The data set that is meant.

    Without --config and --workdir, it is a folder of class folders, or UCF101 where its
    lists are there.

    Args:
        folders: of the command line: the data set's, if it is given so.

    Returns:
        `configs.schema.Data`.

    Raises:
        ConfigError: there are several, or none.
    """
    if len(folders) > 1:
        raise ConfigError(f"One folder of videos must be named; received {folders}.")
    if FLAGS.config or FLAGS.workdir:
        data = load_wanted()[0].data
    else:
        data = load("own_videos").data
    if folders:
        data = dataclasses.replace(data, root=folders[0])
    chosen = FLAGS.config or FLAGS.workdir or FLAGS["data.source"].value
    if not chosen and any(has_lists(data.root, split) for split in (1, 2, 3)):
        logging.info("%s has UCF101's lists: data.source=ucf101.", data.root)
        data = dataclasses.replace(data, source="ucf101", validation="test")
    return data


def open_wanted(data):
    """Opens the data set that is meant; that of a run with the run's own split.

    Args:
        data: a `configs.schema.Data`, as `wanted_data` gives it.

    Returns:
        `data.sources.base.Source`.
    """
    own = FLAGS.workdir and not FLAGS.config
    split = RunFolder(FLAGS.workdir).split if own else None
    return open_source(data, run_split=split)
