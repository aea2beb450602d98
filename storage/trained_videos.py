"""Which videos a model was trained on, in a form that names none of them.

It lies in a run's folder and beside an exported model, so that an evaluation can tell
test videos that the model has seen. Names and groups are kept as hashes: a published
model does not publish the names of its training videos.
"""

import dataclasses
import json

from configs.command.errors import ConfigError
from storage.files import MUST_BE_UNCHANGED
from storage.records import decode

TRAINED_VIDEOS = "trained_videos.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedVideos:
    """Keys of the videos that a model was trained on; see `data.identities`.

    Attributes:
        names: of class and file name.
        groups: of class and group number, where the names have one.
        contents: of size and content.
    """

    names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()

    def __or__(self, other):
        """The videos of both."""
        return TrainedVideos(
            names=self.names | other.names,
            groups=self.groups | other.groups,
            contents=self.contents | other.contents,
        )

    def to_json(self):
        """The text that `read_trained_videos` reads."""
        return json.dumps({k: sorted(v) for k, v in vars(self).items()}, indent=0)


def read_trained_videos(path):
    """What a file of that form says; None where there is none: it is not known.

    Raises:
        ConfigError: the file cannot be read or is damaged.
    """
    try:
        return decode(path.read_bytes(), TrainedVideos)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} {MUST_BE_UNCHANGED}; it is damaged: {error}."
        ) from None
