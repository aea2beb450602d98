"""A small Video Swin from random weights on four UCF101 classes, on two CPU cores.

Shows that the whole application learns from real clips; not an accuracy to compare.

    python train.py --config=ucf101_mini --data.root=UCF101_MINI --runtime.replicas=2 \\
        --workdir=runs/mini
"""

from configs.schema import Checkpoints, Data, Experiment, Model, Optimizer, Views


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        epochs=60,
        data=Data(
            batch_size=16,
            frames=16,
            frame_interval=4,
            size=64,
            crop_area=(0.2, 1.0),
            validation="none",
        ),
        model=Model(
            embed_dim=16,
            depths=(2, 2, 2),
            num_heads=(2, 4, 8),
            window_size=(8, 4, 4),
            patch_size=(2, 4, 4),
            drop_path_rate=0.2,
            dropout=0.5,
        ),
        optimizer=Optimizer(
            learning_rate=1e-3, backbone_lr_multiplier=1.0, weight_decay=0.05
        ),
        checkpoints=Checkpoints(save_every=50),
        views=Views(clips=4, crops=3, batch_size_per_replica=12),
    )
