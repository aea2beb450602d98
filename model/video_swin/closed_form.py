"""LayerNorm, GELU, attention and its bias with gradients in closed form.

TensorFlow's automatic gradients of these are chains of elementwise operations. Each is
one more pass over memory, which costs more than the arithmetic, and keeps what it reads
for the backward pass. The functions here keep as little as their gradients need, and
what the neighbouring matrix product keeps in any case.

Low precision is for what matrix products read and write; elementwise operations are
computed in float32, whose functions are also the faster ones on CPUs.

Shapes are spelt as in `model.video_swin.backbone`.
"""

import math

import tensorflow as tf

from model.video_swin.recompute import again
from model.video_swin.sums import sum_over_rows

MASKED = -100.0  # what the official code adds to scores across region borders
REGIONS = 8  # in one window: two along each axis


def normalise(x, epsilon, dtype):
    """LayerNorm without gain and shift (Ba et al. 2016, equation 4).

    n = (x - mean(x)) / sqrt(variance(x) + epsilon) over the last axis. With g the
    gradient that comes back and s the square root,

        dx = (g - mean(g) - n mean(g n)) / s,

    for which n, which the next linear layer keeps, and one number a token are kept.

    Args:
        x: float32 [..., C].
        epsilon: added to the variance.
        dtype: of the result.

    Returns:
        [..., C] of `dtype`.
    """

    @tf.custom_gradient
    def normalised(x):
        centred = x - mean(x)
        scale = tf.math.rsqrt(mean(tf.square(centred)) + epsilon)
        n = tf.cast(centred * scale, dtype)

        def gradient(upstream):
            g = tf.cast(upstream, tf.float32)
            with tf.control_dependencies([upstream]):  # or it would be there too early
                exact = tf.cast(n, tf.float32)
            return scale * (g - mean(g) - exact * mean(g * exact))

        return n, gradient

    return normalised(x)


def mean(x):
    """Over the last axis, which stays with size 1."""
    return tf.reduce_mean(x, axis=-1, keepdims=True)


def gelu_linear(x, kernel, bias):
    """GELU (Hendrycks & Gimpel 2016, the exact one) and the linear layer behind it.

    GELU(x) = x (1 + erf(x / sqrt 2)) / 2, and with d the gradient of its result

        dx = d ((1 + erf(s)) / 2 + s exp(-s^2) / sqrt(pi)),  s = x / sqrt 2.

    Of the two feature maps in between, which are the widest of a block, s alone is
    kept: GELU(x) is computed again from it for the gradient of the kernel. Constant
    factors are applied to the kernel, which is small.

    Args:
        x: [rows, C].
        kernel: [C, units], in the precision of `x`.
        bias: [units], likewise.

    Returns:
        [rows, units], likewise.
    """

    @tf.custom_gradient
    def activated(x, kernel, bias):
        s = x * math.sqrt(0.5)
        # GELU(x) = sqrt(1 / 2) s (1 + erf(s)).
        scaled = kernel * math.sqrt(0.5)
        wide = tf.cast(s, tf.float32)
        hidden = tf.cast((1 + tf.math.erf(wide)) * wide, x.dtype)
        result = tf.nn.bias_add(tf.matmul(hidden, scaled), bias)

        def gradient(upstream):
            with tf.control_dependencies([upstream]):  # as above
                wide = tf.cast(tf.identity(s), tf.float32)
                halved = kernel * 0.5
            cumulative = 1 + tf.math.erf(wide)
            hidden = tf.cast(cumulative * wide, x.dtype)
            density = tf.exp(math.log(2 / math.sqrt(math.pi)) - tf.square(wide))
            d = tf.matmul(upstream, halved, transpose_b=True)
            slope = density * wide + cumulative
            return (
                tf.cast(slope * tf.cast(d, tf.float32), x.dtype),
                tf.matmul(hidden, upstream, transpose_a=True) * math.sqrt(0.5),
                sum_over_rows(upstream, bias.shape),
            )

        return result, gradient

    return activated(x, kernel, bias)


def gather_bias(table, index):
    """B of equation 2 of the paper: a row of a table for each pair of tokens.

    The gradient of a row is the sum over the pairs that it was taken for, dense.
    TensorFlow's own takes ten times as many operations to say so.

    Args:
        table: float32 [rows, h].
        index: int [N, N], rows of the table.

    Returns:
        float32 [h, N, N].
    """

    @tf.custom_gradient
    def gathered(table):
        def gradient(upstream):
            pairs = tf.transpose(upstream, [1, 2, 0])
            return tf.math.unsorted_segment_sum(pairs, index, table.shape[0])

        return tf.gather(tf.transpose(table), index, axis=1), gradient

    return gathered(tf.convert_to_tensor(table))


def attend(qkv, bias, regions=None, *, recompute=False):
    """Equation 2 of the paper: SoftMax(Q K^T + B) V for each window and head.

    With P the probabilities, O the result and g its gradient,

        dV = P^T g,   dS = P * (g V^T - rowsum(g * O)),   dQ = dS K,   dK = dS^T Q,

    and dB is the sum of dS over windows. The row sums are one more column of g times a
    column of ones beside V. A product with a transposed first operand is slow where
    that is the large one, so P^T g is computed as (g^T P)^T.

    Args:
        qkv: [B W, N, 3, h, d], Q scaled by 1 / sqrt(d), K and V.
        bias: [h, N, N].
        regions: int [W, N], the region of each token below REGIONS; tokens of different
            regions do not attend to each other. None for a single one.
        recompute: whether the backward pass computes P again instead of keeping it.

    Returns:
        [B W, N, h, d].
    """

    def probabilities(query, key, bias):
        if regions is not None:
            query, key = separated(query, key, regions)
        return tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + bias)

    @tf.custom_gradient
    def attended(qkv, bias):
        query, key, value = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]))
        kept = probabilities(query, key, bias)
        result = tf.transpose(tf.matmul(kept, value), [0, 2, 1, 3])

        def gradient(upstream):
            p = probabilities(again(query, upstream), key, bias) if recompute else kept
            gradients = attention_gradients(query, key, value, p, result, upstream)
            return gradients[0], sum_over_rows(gradients[1], bias.shape)

        return result, gradient

    return attended(qkv, bias)


def attention_gradients(query, key, value, p, result, upstream):
    """The gradients of Q, K and V together, [B W, N, 3, h, d], and of the scores."""
    with tf.control_dependencies([upstream]):
        beside = tf.concat([value, tf.ones_like(value[..., :1])], axis=-1)
    sums = tf.reduce_sum(upstream * result, axis=-1, keepdims=True)
    g = tf.transpose(tf.concat([upstream, -sums], axis=-1), [0, 2, 1, 3])
    scores = p * tf.matmul(g, beside, transpose_b=True)
    gradients = [
        tf.transpose(tf.matmul(scores, key), [0, 2, 1, 3]),
        tf.transpose(tf.matmul(query, scores, transpose_a=True), [0, 3, 1, 2]),
        tf.transpose(tf.matmul(g[..., :-1], p, transpose_a=True), [0, 3, 1, 2]),
    ]
    return tf.stack(gradients, axis=2), scores


def separated(query, key, regions):
    """Queries and keys whose products also say which tokens are of different regions.

    A query gets one more column for each region, MASKED in the column of its own, a key
    1 in the columns of all others. So MASKED is added to a score exactly where regions
    differ, and exactly 0 elsewhere, within the product: a mask for all windows of
    Swin-T would be 79 MB in stage one, and adding it another pass over all scores.
    """
    own = tf.one_hot(regions, REGIONS, dtype=query.dtype)[:, tf.newaxis]
    # For each clip and head: [B W, h, N, REGIONS].
    own = tf.tile(own, [tf.shape(query)[0] // own.shape[0], query.shape[1], 1, 1])
    query = tf.concat([MASKED * own, query], axis=-1)
    return query, tf.concat([1 - own, key], axis=-1)
