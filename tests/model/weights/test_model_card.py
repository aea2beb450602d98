import pytest

from model.weights.model_card import documentation
from model.weights.released import RELEASED

NAME = "swin_base_patch244_window1677_sthv2"


@pytest.fixture
def description():
    """Of a released backbone."""
    return {
        "kind": "backbone",
        "name": NAME,
        "architecture": RELEASED[NAME].architecture,
        "training": RELEASED[NAME].training,
        "licence": "Apache-2.0",
        "origin": "a test",
        "source": "official.pth",
        "source_sha256": "0" * 64,
        "input": {
            "type": "float32",
            "shape": "[n, 3, 32, 224, 224]",
            "range": "normalised",
            "mean": (1, 2, 3),
            "std": (4, 5, 6),
        },
        "output": "[n, 1024, 16, 7, 7]",
    }


def test_page_of_a_released_model_says_what_it_reached(description):
    page = documentation(description)
    assert page.startswith(f"# Module {NAME}\n")
    assert "<!-- dataset: something-something-v2 -->" in page
    assert "| trained on | Something-Something v2, from Kinetics-400 |" in page
    assert "top-1 69.6 %, top-5 92.7 % (1 x 3 views), by the authors'" in page
    assert (
        "windows of 16 x 7 x 7 patches (frames x height x width) of 2 x 4 x 4" in page
    )
    assert "| heads of each stage | (4, 8, 16, 32) |" in page
    assert "features = layer(clips)  # [n, 3, 32, 224, 224] -> [n, 1024, 16" in page


def test_page_follows_from_the_description_alone(description):
    """Not from the name, which a fine-tuned model may bear too."""
    description |= {"training": None}
    page = documentation(description)
    assert "<!-- dataset: custom -->" in page and "top-1" not in page
    del description["training"]
    assert documentation(description) == page


def test_page_of_a_classifier_around_an_opaque_graph(description):
    description |= {"kind": "classifier", "architecture": None, "clip": [8, 32, 32]}
    page = documentation(description)
    assert "<!-- task: video-classification -->" in page
    assert "<!-- network-architecture: other -->" in page
    assert "normalisation is inside" in page and "Swin" not in page


def test_page_says_what_the_run_measured(description):
    measured = {
        "top1": 0.9189,
        "top1_interval": [0.79, 0.97],
        **{"videos": 37, "clips": 4, "crops": 3, "source": "ucf101", "split": 2},
    }
    page = documentation(description | {"measured": measured})
    assert (
        "| measured | top-1 0.9189 (95 % 0.7900-0.9700) on 37 test videos of `ucf101`, "
        "split 2, 4 x 3 views |\n| origin |"
    ) in page
    del measured["top1_interval"]  # An older evaluation has none.
    assert "top-1 0.9189 on 37" in documentation(description | {"measured": measured})
    measured |= {"view_sampling": "torchvision", "short_side": 256}
    page = documentation(description | {"measured": measured})
    assert "4 x 3 views, clips placed as by torchvision, short side 256 |\n" in page
    assert "| measured |" not in documentation(description | {"measured": None})
