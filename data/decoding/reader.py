"""Reads batches of clips into NumPy arrays, with several threads."""

import collections
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from absl import logging

from data.decoding.errors import DecodeError

ALIGNMENT = 64  # bytes; TensorFlow uses an array so aligned without copying it


def thread_count(wanted):
    """The number of threads to use: `wanted`, or one for each core if that is 0."""
    return wanted or len(os.sched_getaffinity(0))


class Lease:
    """Memory that is lent to an array and given back once no array uses it.

    NumPy keeps this object alive as long as the array or any view of it exists.
    """

    def __init__(self, memory, free):
        """Lends memory.

        Args:
            memory: the NumPy array that owns it.
            free: deque that it goes back to.
        """
        self.__array_interface__ = memory.__array_interface__
        self._memory, self._free = memory, free

    def __del__(self):
        """Gives the memory back."""
        self._free.append(self._memory)


class Buffers:
    """Memory for clips that is used again once the clips are no longer in use.

    Fresh memory costs about a twentieth of the time that decoding a clip into it takes,
    because the kernel clears it page by page.
    """

    def __init__(self):
        """Begins without any memory."""
        self._free = collections.defaultdict(collections.deque)

    def empty(self, *shape):
        """An uninitialised uint8 array that TensorFlow can use without copying it."""
        size = math.prod(shape)
        try:
            memory = self._free[size].popleft()
        except IndexError:
            memory = np.empty(size + ALIGNMENT, np.uint8)
        offset = -memory.ctypes.data % ALIGNMENT
        lent = np.asarray(Lease(memory, self._free[size]))
        return lent[offset : offset + size].reshape(shape)


class Reader:
    """Reads clips of a source in threads and counts those that could not be read.

    Attributes:
        lost: name -> how many of its clips could not be decoded.
    """

    def __init__(self, source, *, threads):
        """Starts the threads.

        Args:
            source: what the clips are read from, with the attribute `listing` and the
                method `read` of `data.sources.base.Source`.
            threads: how many clips are decoded at once; 0 takes one for each core.
        """
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
