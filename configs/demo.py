"""Direction of motion in synthetic clips: the whole application on two CPU replicas.

`make demo` writes the videos, fine-tunes from random weights and evaluates. Left and
right are classes here, so clips are never mirrored.
"""

from configs.schema import (
    Checkpoints,
    Data,
    Experiment,
    Model,
    Optimizer,
    Runtime,
    Views,
)


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        epochs=18,
        data=Data(
            root="runs/demo_videos",
            batch_size=8,
            frames=8,
            frame_interval=1,
            size=32,
            crop_area=(0.8, 1.0),
            flip=False,
            validation="test",
        ),
        model=Model(
            embed_dim=24,
            depths=(2, 2),
            num_heads=(2, 4),
            window_size=(4, 4, 4),
            patch_size=(2, 4, 4),
            drop_path_rate=0.0,
            dropout=0.0,
        ),
        optimizer=Optimizer(
            learning_rate=2e-3,
            backbone_lr_multiplier=1.0,
            warmup_epochs=2.0,
        ),
        runtime=Runtime(replicas=2),
        checkpoints=Checkpoints(save_every=100),
        views=Views(clips=2, crops=1, batch_size_per_replica=16),
    )
