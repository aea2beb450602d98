"""Video Swin-B, Kinetics-400 to Something-Something v2, with the official values.

89 M parameters. Not yet trained to the end: no accuracy is claimed.
168,913 videos to train on and 24,777 to test on, in 174 classes that tell what moves
where: so frames are from segments of the whole video, and no clip is mirrored.

The values are those of the official swin_base_patch244_window1677_sthv2 config: 60
epochs, window 16 x 7 x 7, stochastic depth 0.4, label smoothing 0.1, and 1 x 3 views of
validation.json. The batch of 64 clips is that of 8 GPUs with 8 each; with another,
--optimizer.reference_batch_size=64 scales the learning rate.

What that config does and this project cannot: RandAugment (n=4, m=7) and random erasing
(probability 0.25). It computes in float16 (`--runtime.precision=mixed_float16`).

    python train.py --config=ssv2_swin_base --data.root=SSV2 --workdir=runs/ssv2 \\
        --model.handle=CONVERTED/swin_base_patch244_window1677_kinetics400_22k

Without --model.handle it trains from random weights.
"""

from configs.schema import Data, Experiment, Optimizer, Views, video_swin


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        epochs=60,
        data=Data(
            source="something-something-v2", frame_sampling="segments", flip=False
        ),
        model=video_swin("base", window_size=(16, 7, 7), drop_path_rate=0.4),
        optimizer=Optimizer(learning_rate=3e-4, weight_decay=0.05, label_smoothing=0.1),
        views=Views(clips=1, crops=3),
    )
