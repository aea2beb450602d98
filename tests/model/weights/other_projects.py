"""Writes `other_projects.npz`: small models of other projects, and what they compute.

    pip install torch torchvision timm transformers
    python tests/model/weights/other_projects.py tests/model/weights/other_projects.npz

For each project it holds `<project>/state/<name>`, random weights under the names that
the project saves, `<project>/features` of `clip()` or, for models of images, of
`image()`, and for videos `<project>/logits`. Written with torch 2.13.0, torchvision
0.28.0, timm 1.0.31 and transformers 5.24.0.
"""

import sys

import numpy as np

CLIP = (6, 40, 28)  # no multiple of windows


def clip():
    """float32 [2, 3, frames, height, width]."""
    values = np.sin(0.37 * np.arange(2 * 3 * np.prod(CLIP), dtype=np.float64))
    return values.reshape(2, 3, *CLIP).astype(np.float32)


def image():
    """float32 [2, 3, 32, 32], which all image models take."""
    values = np.sin(0.37 * np.arange(2 * 3 * 32 * 32, dtype=np.float64))
    return values.reshape(2, 3, 32, 32).astype(np.float32)


def models():
    """(name, model, what its features are) of each project."""
    import timm.models.swin_transformer as timm
    import torchvision.models.swin_transformer as images
    import torchvision.models.video.swin_transformer as videos
    from transformers import SwinConfig, SwinForImageClassification

    sizes = {"embed_dim": 4, "depths": [2, 2], "num_heads": [1, 2], "num_classes": 3}
    model = videos.SwinTransformer3d([2, 4, 4], window_size=[2, 3, 3], **sizes)
    yield "torchvision_3d", model, lambda x: model.norm(blocks(model, x))
    other = images.SwinTransformer([4, 4], window_size=[3, 3], **sizes)
    yield "torchvision_2d", other, lambda x: other.norm(other.features(x))
    # Whole windows: where there are none, timm shifts before it pads, others after.
    third = timm.SwinTransformer(img_size=32, window_size=4, **sizes)
    yield "timm", third, third.forward_features
    del sizes["num_classes"]
    config = SwinConfig(image_size=32, window_size=3, num_labels=3, **sizes)
    last = SwinForImageClassification(config)
    yield "hugging_face", last, lambda x: last.swin(x).last_hidden_state


def blocks(model, x):
    """What the last block of torchvision's video model gives."""
    return model.features(model.pos_drop(model.patch_embed(x)))


def saved_state(name, model):
    """A model's state dict as its project saves it, as arrays."""
    if name != "hugging_face":
        return {key: value.numpy() for key, value in model.state_dict().items()}
    import tempfile

    from safetensors.numpy import load_file

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(f"{folder}/model.safetensors")


def main(path):
    """Writes the file."""
    import torch

    arrays = {}
    for name, model, features in models():
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weights in model.parameters():
                weights.copy_(0.5 * torch.randn(weights.shape, generator=generator))
            model.eval()
            x = torch.from_numpy(clip() if name == "torchvision_3d" else image())
            arrays[f"{name}/features"] = features(x).numpy()
            if name == "torchvision_3d":
                arrays[f"{name}/logits"] = model(x).numpy()
        for key, value in saved_state(name, model).items():
            arrays[f"{name}/state/{key}"] = value
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
