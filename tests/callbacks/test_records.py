from types import SimpleNamespace

import pytest

from callbacks import records
from configs.command.errors import ConfigError
from configs.schema import Calendar
from tests.strategy.local import everyone


@pytest.mark.parametrize(
    ("name", "other"), [("sha256", "b"), ("step", 5)], ids=["hash", "step"]
)
def test_other_weights_on_another_worker_are_refused_by_all(
    tiny, monkeypatch, name, other
):
    """Else each would go on from its own, and say nothing."""

    def record(*_, share=None, **options):
        own = {"sha256": "a", "step": 4}
        if share.__self__.index:
            own[name] = other
        return SimpleNamespace(
            step=own["step"],
            store=SimpleNamespace(values_sha256=lambda: own["sha256"]),
        )

    monkeypatch.setattr(records, "Record", record)
    monkeypatch.setattr(records, "Follower", record)
    clips = SimpleNamespace(check_lost=None)

    def keep(workers):
        arguments = [tiny, None, None, clips, Calendar(8, 4, 1), None, None]
        return records.keep_record(*arguments, workers)

    for error in everyone(2, keep):
        assert isinstance(error, ConfigError)
        assert f"All workers must have the same weights; {name} is " in str(error)
