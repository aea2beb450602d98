"""The matrix products of a training step, from the shapes of the model.

A product that has to be there costs what it costs; the rest of a step is memory traffic
and scheduling. Recomputation is not counted: it is no product that has to be there.

Shapes are spelt as in `model.video_swin.backbone`.
"""

import collections
import dataclasses
import math

from model.video_swin.sizes import (
    CHANNELS,
    MLP_RATIO,
    effective_window,
    padded_size,
)


@dataclasses.dataclass(frozen=True)
class Product:
    """A product of two matrices, or of two equally long stacks of them.

    Attributes:
        left: shape, as the matrix lies in memory.
        right: likewise.
        transpose_left: whether the last two axes change places before.
        transpose_right: likewise.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    transpose_left: bool = False
    transpose_right: bool = False

    @property
    def flop(self):
        """Multiplications and additions."""
        columns = self.right[-2] if self.transpose_right else self.right[-1]
        return 2 * math.prod(self.left) * columns


@dataclasses.dataclass
class Products:
    """How often a step computes which `Product`.

    Attributes:
        forward: a Counter.
        backward: likewise; forward and backward together make a step.
    """

    forward: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    backward: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )

    @property
    def step(self):
        """Those of both passes."""
        return self.forward + self.backward

    def add_linear(self, rows, inputs, outputs, *, input_gradient=True):
        """Adds a linear layer and the gradients of its kernel and of its input."""
        x, kernel, y = (rows, inputs), (inputs, outputs), (rows, outputs)
        self.forward[Product(x, kernel)] += 1
        self.backward[Product(x, y, transpose_left=True)] += 1
        if input_gradient:
            self.backward[Product(y, kernel, transpose_right=True)] += 1

    def add_attention(self, windows, heads, tokens, head_dim):
        """Adds Q K^T and P V, and the four products of their gradients.

        Those with P^T and dS^T are taken as the model computes them, with the small
        operand transposed, which is the faster way: dV = (g^T P)^T, dK = (Q^T dS)^T.
        """
        narrow = (windows, heads, tokens, head_dim)  # Q, K, V, and g
        wide = (windows, heads, tokens, tokens)  # P, and the scores' gradient dS
        scores = Product(narrow, narrow, transpose_right=True)  # Q K^T, and g V^T
        mean = Product(wide, narrow)  # P V, and dQ = dS K
        self.forward.update([scores, mean])
        self.backward.update([scores, mean])
        self.backward[Product(narrow, wide, transpose_left=True)] += 2


def products_of_blocks(model, *, clips, frames, size):
    """The products of the transformer blocks.

    Args:
        model: a `configs.schema.Model` whose architecture is set.
        clips: of a step.
        frames: of a clip.
        size: height and width of a clip.

    Returns:
        `Products`.
    """
    found = Products()
    stages = zip(model.depths, model.num_heads, strict=True)
    for stage, (depth, heads) in enumerate(stages):
        grid, dim = map_of(model, frames, size, stage), model.embed_dim << stage
        window, _ = effective_window(grid, model.window_size)
        tokens, rows = math.prod(window), clips * math.prod(grid)
        padded = clips * math.prod(padded_size(grid, window))
        for _ in range(depth):
            found.add_linear(padded, dim, 3 * dim)
            found.add_attention(padded // tokens, heads, tokens, dim // heads)
            found.add_linear(padded, dim, dim)
            found.add_linear(rows, dim, MLP_RATIO * dim)
            found.add_linear(rows, MLP_RATIO * dim, dim)
    return found


def products_between_blocks(model, *, clips, frames, size, classes):
    """The products of patch embedding, patch mergings and head.

    Args:
        model: as in `products_of_blocks`, like those that follow.
        clips: of a step.
        frames: of a clip.
        size: height and width of a clip.
        classes: of the head.

    Returns:
        `Products`.
    """
    found = Products()
    rows = clips * math.prod(map_of(model, frames, size, 0))
    pixels = CHANNELS * math.prod(model.patch_size)
    found.add_linear(rows, pixels, model.embed_dim, input_gradient=False)
    for stage in range(1, len(model.depths)):
        rows = clips * math.prod(map_of(model, frames, size, stage))
        dim = model.embed_dim << (stage - 1)
        found.add_linear(rows, 4 * dim, 2 * dim)
    features = model.embed_dim << (len(model.depths) - 1)
    found.add_linear(clips, features, classes)
    return found


def map_of(model, frames, size, stage):
    """(T, H, W) of a stage's feature map; each merging halves H and W, rounded up."""
    t, h, w = model.patch_size
    return (
        -(-frames // t),
        *(-(-size // (side << stage)) for side in (h, w)),
    )


def flop_of(counter):
    """Multiplications and additions of all products of a Counter."""
    return sum(count * product.flop for product, count in counter.items())
