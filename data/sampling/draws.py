"""Random numbers without a state, which every random decision about a clip is made of.

They come from a counter-based generator keyed by (seed, position), so a decision
depends on nothing that ran before it, in this process or in any other.
"""

import numpy as np


def uniforms(seed, position, count):
    """Draws from [0, 1) that are a pure function of (seed, position).

    Taken from the raw output of Philox-4x64, which NumPy keeps the same between
    versions, unlike the distributions of its `Generator`.

    Args:
        seed: two ints in [0, 2^31): the run's seed, and the number of the stream.
        position: int in [0, 2^63), the position in the stream.
        count: how many draws.

    Returns:
        float64 [count].
    """
    key = [seed[0] | seed[1] << 32, position]
    raw = np.random.Philox(key=key).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53
