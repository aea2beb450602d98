"""Video Swin-B, Kinetics-400 to UCF101 split 1, with the official fine-tuning values.

88 M parameters. Not yet trained to the end: no accuracy is claimed. Values: the
official swin_base_patch244_window877_kinetics400_22k config, with its effective
batch of 64, flipping (no UCF101 class depends on left and right) and 4 x 3 views.
As `ucf101_swin_small`, a third wider, pretrained on ImageNet-22K, with more
stochastic depth, a lower learning rate and more decay.

    python train.py --config=ucf101_swin_base --data.root=UCF101 \\
        --workdir=runs/swin_base \\
        --model.handle=CONVERTED/swin_base_patch244_window877_kinetics400_22k

Without --model.handle it trains from random weights, which UCF101 is too small for.
"""

from configs.schema import Data, Experiment, Optimizer, video_swin


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        epochs=30,
        data=Data(batch_size=64, frames=32, frame_interval=2, size=224),
        model=video_swin("base", drop_path_rate=0.2),
        optimizer=Optimizer(learning_rate=3e-4, weight_decay=0.05),
    )
