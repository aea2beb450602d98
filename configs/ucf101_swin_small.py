"""Video Swin-S, Kinetics-400 to UCF101 split 1, with the official fine-tuning values.

50 M parameters. Not yet trained to the end: no accuracy is claimed. Values: the
official swin_small_patch244_window877_kinetics400_1k config, with its effective
batch of 64, flipping (no UCF101 class depends on left and right) and 4 x 3 views.

    python train.py --config=ucf101_swin_small --data.root=UCF101 \\
        --workdir=runs/swin_small \\
        --model.handle=CONVERTED/swin_small_patch244_window877_kinetics400_1k

Without --model.handle it trains from random weights, which UCF101 is too small for.
"""

from configs.schema import Data, Experiment, Model, Optimizer


def config():
    return Experiment(
        epochs=30,
        data=Data(batch_size=64, frames=32, frame_interval=2, size=224),
        model=Model(
            embed_dim=96,
            depths=(2, 2, 18, 2),
            heads=(3, 6, 12, 24),
            window=(8, 7, 7),
            patch=(2, 4, 4),
            drop_path=0.1,
            dropout=0.5,
        ),
        optimizer=Optimizer(
            learning_rate=1e-3,
            backbone_multiplier=0.1,
            weight_decay=0.02,
            warmup_epochs=2.5,
        ),
    )
