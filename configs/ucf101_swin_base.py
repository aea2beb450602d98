"""Video Swin-B, Kinetics-400 to UCF101 split 1, with the official fine-tuning values.

88 M parameters. Not yet trained to the end: no accuracy is claimed.
As `ucf101_swin_small`, a third wider and pretrained on ImageNet-22K.

The values are those of the official
swin_base_patch244_window877_kinetics400_22k config, but for the precision
(`--runtime.precision`). What all sizes have in common are the schema's defaults: 30
epochs, an effective batch of 64, clips of 32 frames at interval 2 and 224 pixels,
flipping (no UCF101 class depends on left and right) and 4 x 3 views. The learning rate
is for that batch: with another, --optimizer.reference_batch_size=64 scales it.

    python train.py --config=ucf101_swin_base --data.root=UCF101 \\
        --workdir=runs/swin_base \\
        --model.handle=CONVERTED/swin_base_patch244_window877_kinetics400_22k

Without --model.handle it trains from random weights, which UCF101 is too small for.
"""

from configs.schema import Experiment, Optimizer, video_swin


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        model=video_swin("base", drop_path_rate=0.2),
        optimizer=Optimizer(learning_rate=3e-4, weight_decay=0.05),
    )
