import argparse

from benchmarks import evaluation
from configs.schema import Experiment, Model


def test_both_rates_are_measured(tiny_root, monkeypatch):
    """Of 7 videos with 3 views each, in batches of 4."""
    small = Model(
        embed_dim=8,
        depths=(1,),
        num_heads=(1,),
        window_size=(2, 4, 4),
        patch_size=(2, 4, 4),
    )
    monkeypatch.setattr(evaluation, "config", lambda: Experiment(model=small))
    bare, computed = evaluation.bare_seconds, []

    def counted(forward, held, batches):
        assert [clips.shape for clips in held] == [(4, 4, 3, 32, 32)] * 6
        computed.append(batches)
        return bare(forward, held, batches)

    monkeypatch.setattr(evaluation, "bare_seconds", counted)
    options = argparse.Namespace(
        root=str(tiny_root), frames=4, size=32, clips=1, crops=3, rounds=2
    )
    rounds = evaluation.measure(options)
    assert computed == [6] * 4
    assert [set(row) for row in rounds] == [{"bare_forward", "evaluation"}] * 2
    assert all(rate > 0 for row in rounds for rate in row.values())
