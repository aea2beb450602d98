"""What a data set offers: a list of its videos, facts about them, random access."""

import dataclasses
import os

import numpy as np
from absl import logging

from data.recordings import group_number, recording_of
from data.scan import Video


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The videos of a data set as its lists name them, before any is opened.

    Attributes:
        class_names: in the order of the labels.
        names: [videos] "Class/video.avi" as listed, each once: the training list, then
            the validation list, then the test list.
        labels: int [videos], from 0.
        groups: int [videos], the number after _g in the name, -1 without one.
        train_size: how many of the videos, from the first on, are the training list.
        validation_size: how many after them are the validation list; 0 where there is
            none.
        recordings: [videos] equal for parts of one recording, as far as is known.
        paths: [videos] path of each file; empty where videos are not files.
        contents: [videos] what `data.identities.content_key` says of each file; empty
            where the files are there to say it.
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray
    train_size: int
    validation_size: int = 0
    recordings: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()

    @classmethod
    def of_files(cls, class_names, train, validation, test, *, recordings=None):
        """The listing of videos that are files.

        Args:
            class_names: in the order of the labels.
            train: list of (name, label, path) of the training videos.
            validation: list of the same of the validation videos.
            test: list of the same of the test videos.
            recordings: dict of name -> recording; None goes by the names.

        Returns:
            Listing.
        """
        names, labels, paths = zip(*train, *validation, *test, strict=True)
        numbers = [group_number(os.path.basename(path)) for path in paths]
        recording = recordings.get if recordings else recording_of
        return cls(
            class_names=tuple(class_names),
            names=names,
            labels=np.array(labels, np.int32),
            groups=np.array([-1 if n is None else n for n in numbers], np.int32),
            train_size=len(train),
            validation_size=len(validation),
            recordings=tuple(map(recording, names)),
            paths=paths,
        )

    @property
    def parts(self):
        """Indices of the training, the validation and the test list: int64 arrays."""
        ends = self.train_size, self.train_size + self.validation_size
        return np.split(np.arange(len(self.names)), ends)

    def tested_recordings(self):
        """Names of the test videos of whose recordings others are trained on."""
        train, _, test = self.parts
        trained = {self.recordings[i] for i in train}
        return [self.names[i] for i in test if self.recordings[i] in trained]

    def tell(self, root, by=None):
        """Logs how many videos there are, and how many of them share recordings.

        Args:
            root: the folder of the data set.
            by: the file that divides them, where it is no list of the data set's own.
        """
        logging.info(
            "%s: %d classes; %d videos to train, %d to validate, %d to test%s.",
            root,
            len(self.class_names),
            *map(len, self.parts),
            f", by {by}" if by else "",
        )
        shared = self.tested_recordings()
        if shared:
            logging.warning(
                "%d test videos seem to be parts of recordings that are trained on, by "
                "their names; the first is %s. The test may be too easy.",
                len(shared),
                shared[0],
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A data set whose clips can be read in any order; subclasses provide `read`.

    Attributes:
        listing: the videos as its lists name them.
        videos: [videos], what each of them really holds, in the order of the listing.
    """

    listing: Listing
    videos: tuple[Video, ...]

    def read(self, video, *, frames, regions, size, flip, out):
        """Decodes regions of chosen frames of one video into `out`.

        Args:
            video: index into the listing.
            frames: int [T], each in [0, frames of the video).
            regions: list of (top, left, height, width) in pixels.
            size: height and width of the result in pixels.
            flip: whether to mirror left and right.
            out: uint8 [regions, T, 3, size, size], overwritten: RGB planes.

        Raises:
            DecodeError: the video no longer holds what the scan found.
        """
        raise NotImplementedError
