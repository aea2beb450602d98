"""Video Swin-T on a folder of your own videos, with a folder for each class.

    python train.py --config=own_videos --data.root=VIDEOS --workdir=runs/mine \\
        --model.handle=CONVERTED/swin_tiny_patch244_window877_kinetics400_1k

The handle decides the architecture, so one of another size does as well; without one it
is that of Swin-T. The values are those of ucf101_swin_tiny; those of ucf101_swin_base
differ in learning rate, weight decay and drop path.

A fifth of each class is drawn to test on, and a tenth to choose the best checkpoint by;
VIDEOS/split.csv keeps what was drawn. The learning rate is for batches of 64 clips: in
batches of another size, --optimizer.reference_batch_size=64 scales it. Where left and
right matter to the classes, add --data.flip=false.
"""

from configs.schema import Data, Experiment, Optimizer, video_swin


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        data=Data(source="folder", validation="split"),
        model=video_swin("tiny", drop_path_rate=0.1, architecture_from="handle"),
        optimizer=Optimizer(learning_rate=1e-3, weight_decay=0.02),
    )
