"""Batches of clips as NumPy arrays: one buffer each, filled by several threads."""

import collections
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from absl import logging

from data.decode import DecodeError

ALIGNMENT = 64  # bytes; TensorFlow takes over an array that lies so without copying it


def thread_count(wanted):
    """How many threads decode: those wanted, or one for each core for 0."""
    return wanted or len(os.sched_getaffinity(0))


class Lease:
    """Memory lent to arrays, which keep this object alive and so the memory theirs."""

    def __init__(self, memory, free):
        self.__array_interface__ = memory.__array_interface__
        self._memory, self._free = memory, free

    def __del__(self):
        self._free.append(self._memory)


class Buffers:
    """Memory for clips that is used again once nobody holds the clips any more.

    Fresh memory costs about a twentieth of decoding a clip into it, for the kernel
    hands it out page by page and cleared.
    """

    def __init__(self):
        self._free = collections.defaultdict(collections.deque)

    def empty(self, *shape):
        """An uninitialised uint8 array that TensorFlow can use in place."""
        size = math.prod(shape)
        try:
            memory = self._free[size].popleft()
        except IndexError:
            memory = np.empty(size + ALIGNMENT, np.uint8)
        offset = -memory.ctypes.data % ALIGNMENT
        lent = np.asarray(Lease(memory, self._free[size]))
        return lent[offset : offset + size].reshape(shape)


class Reader:
    """Reads clips of a source in threads and keeps count of those that failed.

    Attributes:
        lost: name -> how many of its clips could not be decoded.
    """

    def __init__(self, source, *, threads):
        """Args: a `Source`; clips decoded at once, 0 for one on each core."""
        self._source = source
        self._pool = ThreadPoolExecutor(
            thread_count(threads), thread_name_prefix="decode"
        )
        self._buffers = Buffers()
        self._lock = threading.Lock()
        self.lost = collections.Counter()

    def read(self, videos, plans, *, shape):
        """Decodes a batch of clips.

        Args:
            videos: int [b], indices into the listing.
            plans: [b] of `Plan`, or None for a clip that stays zero.
            shape: (regions, T, 3, size, size) of each clip.

        Returns:
            uint8 [b, regions, T, 3, size, size], zeros where nothing was decoded;
            float32 [b], 1 where the clip was decoded, else 0.
        """
        out = self._buffers.empty(len(plans), *shape)
        decoded = self._pool.map(self._read_one, videos, plans, out)
        return out, np.fromiter(decoded, np.float32, len(plans))

    def _read_one(self, video, plan, out):
        if plan is None:
            out[:] = 0
            return False
        try:
            self._source.read(
                video,
                frames=plan.frames,
                regions=plan.regions,
                size=out.shape[-1],
                flip=plan.flip,
                out=out,
            )
        except DecodeError as error:
            out[:] = 0
            self._report(self._source.listing.names[video], error)
            return False
        return True

    def _report(self, name, error):
        with self._lock:
            self.lost[name] += 1
            first = self.lost[name] == 1
        if first:
            logging.error("%s: %s; its clips count with weight 0.", name, error)
