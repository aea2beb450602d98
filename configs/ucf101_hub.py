"""The published TF-Hub Video Swin-T as it is, with an I3D head, on UCF101 split 1.

The schema's defaults are the values of `ucf101_swin_tiny` (30 epochs, batch 64, 32
frames at interval 2, 224 pixels, and its optimizer), so this page names only the model.

The backbone runs from its SavedModel (float32 graph, fixed 32 x 224 x 224 clips).
Convert it first (`python -m model.convert`) to run it natively: mixed precision inside
the blocks, drop path, recompute and any clip size. The download has not been tried.

    python train.py --config=ucf101_hub --data.root=UCF101 --workdir=runs/hub
"""

from configs.schema import Experiment, Model


def config():
    """The experiment; what it does not say is the schema's default."""
    return Experiment(
        model=Model(
            handle="https://tfhub.dev/shoaib6174/"
            "swin_tiny_patch244_window877_kinetics400_1k/1",
        ),
    )
