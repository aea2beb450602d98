"""What a backbone gives for each view of videos, whole, kept for other programs."""

import tempfile
import zipfile

import numpy as np
from absl import logging

from configs.command.errors import StorageError
from model.prediction.features import frame_numbers, place_of
from storage.files import written_aside


class FeatureMaps:
    """Collects the feature maps of views and writes them.

    They wait on the disk, beside where they are to be, since a long video has more of
    them than memory: those of Swin-T have 2.4 MB a view of 32 x 224 x 224.

    Args:
        path: `Path` of the NPZ file.
        crops: squares of each clip, of which each is a view.
    """

    def __init__(self, path, crops):
        self._path, self._crops = path, crops
        self._waiting = None  # a file without a name, of rows one behind the other
        self._shape = ()  # of a row
        self._rows = []  # (number, view) of each
        self._places = {}  # number -> `place_of` what it is of
        self._bad = set()  # videos of which nothing is kept

    def add(self, number, view, values):
        """Takes the map of one view; `keep_map` of a `Predictor`.

        Args:
            number: of its video or, where clips slide, its clip, among all that come.
            view: its own number among those.
            values: float32 [T', H', W', C].

        Raises:
            StorageError: the disk does not take it.
        """
        try:
            if self._waiting is None:
                folder = next(p for p in self._path.absolute().parents if p.exists())
                self._waiting = tempfile.TemporaryFile(dir=folder)
            self._waiting.write(np.ascontiguousarray(values, np.float32))
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error}.") from error
        self._shape = values.shape
        self._rows.append((number, view))

    def taken_from(self, results):
        """Learns which videos are good from what `Predictor` yields, and yields it.

        Args:
            results: see `model.prediction.features.Features.taken_from`.
        """
        for number, (name, result) in enumerate(results):
            place = self._places[number] = place_of(name, number)
            if isinstance(result, Exception):
                self._bad.add(place[0])
            yield name, result

    def write(self):
        """Writes the file, whole or not at all.

        It has a row for each view of each video that could be read to its end:
        `videos`, text [n], `features`, float32 [n, T', H', W', C], `crop`, int64 [n],
        the number of the square, and either `clip`, int64 [n], the number of the clip,
        or, of clips that slide, `first_frame` and `last_frame`, int64 [n].

        Raises:
            StorageError: it cannot be written.
        """
        kept = [
            row
            for row, (number, _) in enumerate(self._rows)
            if self._places[number][0] not in self._bad
        ]
        with (
            written_aside(self._path) as aside,
            zipfile.ZipFile(aside, "w") as archive,
        ):
            for name, array in self._said([self._rows[row] for row in kept]).items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            with archive.open("features.npy", "w", force_zip64=True) as file:
                self._copy(kept, file)
        logging.info("%s: %d views of %s.", self._path, len(kept), list(self._shape))

    def _said(self, rows):
        """Name -> array [n] of what is said of rows, which are of (number, view)."""
        places = [self._places[number] for number, _ in rows]
        views = np.array([view for _, view in rows], np.int64)
        videos = np.array([video for _, video, _ in places], str)
        said = {"videos": videos, "crop": views % self._crops}
        frames = frame_numbers([window for _, _, window in places])
        return said | (frames or {"clip": views // self._crops})

    def _copy(self, kept, file):
        """Writes an array of rows to a file, one at a time."""
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
            "fortran_order": False,
            "shape": (len(kept), *self._shape),
        }
        np.lib.format.write_array_header_1_0(file, header)
        size = 4 * int(np.prod(self._shape))
        for row in kept:
            self._waiting.seek(row * size)
            file.write(self._waiting.read(size))
