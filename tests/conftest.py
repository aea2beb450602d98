"""Four logical CPU devices for every test, and the data that tests share."""

from pathlib import Path

import pytest
import tensorflow as tf

REPOSITORY = Path(__file__).resolve().parents[1]

# Devices are fixed at first use, so before any test touches one.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 4,
)


@pytest.fixture(scope="session")
def repository():
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared():
    """The folder of real clips and official outputs beside the checkout."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is absent: real clips and official outputs")
    return path
