"""Features of videos, kept for other programs."""

import io

import numpy as np

from storage.files import write_atomically


class Features:
    """Collects the features of videos, or of their clips, and writes them.

    They are what the head sees: the mean over space, time and the views of a video of
    what the backbone gives.

    Args:
        classes: how many probabilities come before the features in a result.
    """

    def __init__(self, classes):
        self._classes = classes
        self._rows = {}  # number of the video -> list of (name, window, float64 [C])

    def taken_from(self, results):
        """Keeps the features of what `Predictor` yields, and yields the rest of it.

        Of a video that cannot be read to its end nothing is kept.

        Args:
            results: iterable of (video, float [classes + C]) or, of clips, (place,
                float [classes + C]), or of either with an error; a place has `number`,
                `path` and `window`.

        Yields:
            The same with float [classes].
        """
        bad = set()
        for count, (name, result) in enumerate(results):
            number, video, window = place_of(name, count)
            if isinstance(result, Exception):
                bad.add(number)
                self._rows.pop(number, None)
            else:
                if number not in bad:
                    row = video, window, result[self._classes :]
                    self._rows.setdefault(number, []).append(row)
                result = result[: self._classes]
            yield name, result

    def write(self, path):
        """Writes an NPZ file, whole or not at all.

        It has `videos`, text [n], and `features`, float32 [n, C]; of clips also
        `first_frame` and `last_frame`, int64 [n]. A video that cannot be read has no
        row.

        Args:
            path: `Path` of the file.

        Raises:
            StorageError: it cannot be written.
        """
        rows = [row for rows in self._rows.values() for row in rows]
        arrays = {
            "videos": np.array([video for video, _, _ in rows], str),
            "features": np.array([features for _, _, features in rows], np.float32),
        }
        arrays |= frame_numbers([window for _, window, _ in rows])
        file = io.BytesIO()
        np.savez(file, **arrays)
        write_atomically(path, file.getvalue())


def place_of(name, count):
    """What a result of a `Predictor` is of.

    Args:
        name: its name: a video or, of clips, a place with `number`, `path` and
            `window`.
        count: its number among all results.

    Returns:
        (number of the video, the video, the window or None).
    """
    number = getattr(name, "number", count)
    return number, getattr(name, "path", name), getattr(name, "window", None)


def frame_numbers(windows):
    """`first_frame` and `last_frame`, int64 [n], of windows; nothing of no windows.

    Args:
        windows: list of windows, or of None.
    """
    if not any(windows):
        return {}
    return {
        "first_frame": np.array([window.first for window in windows]),
        "last_frame": np.array([window.last for window in windows]),
    }
