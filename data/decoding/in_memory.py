"""Files that lie in memory only, for decoders that open files by their names."""

import contextlib
import os
import tempfile


@contextlib.contextmanager
def file_in_memory(content):
    """The path of a file with a content, as long as the body runs.

    This process and its children may open it, several times and side by side.

    Args:
        content: bytes.

    Yields:
        str; where the system has no files in memory, of a temporary file.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with open(os.memfd_create("video"), "wb", buffering=0) as file:
        left = memoryview(content)
        while left:  # One call writes 2 GiB at the most.
            left = left[file.write(left) :]
        yield f"/proc/{os.getpid()}/fd/{file.fileno()}"
