"""Which options of a trained model are refused before it is opened."""

import dataclasses

import pytest

from configs.command.errors import ConfigError
from configs.schema import Views
from configs.schema.data import LEAST_SIZE
from model import check_wanted


def with_short_side(pixels):
    """Replaces views.short_side, as its flag does."""
    views = Views(short_side=pixels)
    return lambda config: dataclasses.replace(config, views=views)


def test_a_short_side_fits_to_the_size_that_a_saved_model_says_later(converted):
    config = check_wanted("", converted, override=with_short_side(18))
    assert config.views.short_side == 18


def test_a_short_side_that_fits_to_no_size_is_refused(converted):
    with pytest.raises(ConfigError, match=r"views\.short_side must be 0 or at least"):
        check_wanted("", converted, override=with_short_side(LEAST_SIZE - 1))
