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
        self._rows = []  # (name, window or None, float64 [C])

    def taken_from(self, results):
        """Keeps the features of what `Predictor` yields, and yields the rest of it.

        Args:
            results: iterable of (video, float [classes + C]) or, of clips, ((video,
                window), float [classes + C]), or of either with an error.

        Yields:
            The same with float [classes].
        """
        for name, result in results:
            if not isinstance(result, Exception):
                video, window = name if isinstance(name, tuple) else (name, None)
                self._rows.append((video, window, result[self._classes :]))
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
        arrays = {
            "videos": np.array([video for video, _, _ in self._rows], str),
            "features": np.array([row for _, _, row in self._rows], np.float32),
        }
        windows = [window for _, window, _ in self._rows]
        if any(windows):
            arrays["first_frame"] = np.array([window.first for window in windows])
            arrays["last_frame"] = np.array([window.last for window in windows])
        file = io.BytesIO()
        np.savez(file, **arrays)
        write_atomically(path, file.getvalue())
