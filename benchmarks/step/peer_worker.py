"""The official implementation's process: a checkout and an `Experiment` as JSON.

For each line that it reads it computes a step and prints the seconds that it took. The
recipe is that of the official configs: random weights, I3D head, AdamW, in mixed
precision PyTorch's automatic one, with recomputed blocks its own checkpointing.
"""

import contextlib
import sys

import numpy as np
import torch

from benchmarks.step.peer import CLASSES, DEVIATION, MEAN, answer, load_backbone
from configs.schema.serialization import from_json

AUTOCAST = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}


class Recogniser(torch.nn.Module):
    """Backbone and head: uint8 [b, T, 3, H, W] -> [b, classes]."""

    def __init__(self, backbone, config):
        """Args: the class of the backbone, and a `configs.schema.Model`."""
        super().__init__()
        self.backbone = backbone(
            patch_size=config.patch_size,
            embed_dim=config.embed_dim,
            depths=list(config.depths),
            num_heads=list(config.num_heads),
            window_size=config.window_size,
            drop_path_rate=config.drop_path_rate,
            patch_norm=True,
            use_checkpoint=config.recompute == "block",
        )
        self.dropout = torch.nn.Dropout(config.dropout)
        self.head = torch.nn.Linear(self.backbone.num_features, CLASSES)

    def forward(self, clip):
        """The logits."""
        mean, deviation = (
            torch.tensor(x, device=clip.device).view(3, 1, 1) for x in (MEAN, DEVIATION)
        )
        x = self.backbone(((clip - mean) / deviation).transpose(1, 2))
        return self.head(self.dropout(x.mean(dim=[2, 3, 4])))


def step_of(checkout, experiment):
    """A function that computes an update and waits for it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Recogniser(load_backbone(checkout), experiment.model).to(device).train()
    data, dtype = experiment.data, AUTOCAST.get(experiment.runtime.precision)
    shape = [data.batch_size, data.frames, 3, data.size, data.size]
    clip = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    clip = torch.from_numpy(clip).to(device)
    labels = torch.zeros(len(clip), dtype=torch.int64, device=device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=experiment.optimizer.learning_rate,
        weight_decay=experiment.optimizer.weight_decay,
    )
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    low = torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext()

    def step():
        optimizer.zero_grad()
        with low:
            logits = model(clip)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


if __name__ == "__main__":
    CHECKOUT, TEXT = sys.argv[1:]
    answer(step_of(CHECKOUT, from_json(TEXT)))
