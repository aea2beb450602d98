"""A UCF101-shaped directory that the tests of this folder read and do not change."""

import pytest

from tests.data.samples import write_counting_set
from tests.data.streams import open_set


@pytest.fixture(scope="session")
def counting_set(tmp_path_factory):
    """See `write_counting_set`."""
    root = tmp_path_factory.mktemp("counting")
    write_counting_set(root)
    return root


@pytest.fixture(scope="module")
def clips(counting_set):
    """`Clips` of that directory."""
    return open_set(counting_set)
