"""Video Swin-T on a folder of your own videos, with a folder for each class.

    python train.py --config=own_videos --data.root=VIDEOS --workdir=runs/mine \\
        --model.handle=CONVERTED/swin_tiny_patch244_window877_kinetics400_1k

A fifth of each class is drawn to test on, and a tenth to choose the best checkpoint by;
VIDEOS/split.csv keeps what was drawn. The values are those of ucf101_swin_tiny, and as
there the learning rate is for batches of 64 clips: with another batch size,
--optimizer.reference_batch_size=64 scales it. Where left and right matter to the
classes, add --data.flip=false.
"""

from configs.schema import Data, Experiment, Optimizer, video_swin


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        data=Data(source="folder", validation="split"),
        model=video_swin("tiny", drop_path_rate=0.1),
        optimizer=Optimizer(learning_rate=1e-3, weight_decay=0.02),
    )
