"""What the layers of Video Swin are made of: linear layers and norms.

Shapes are spelt as in `model.video_swin.backbone`.
"""

import tensorflow as tf

# Not Keras 3: its `fit` fails under MultiWorkerMirroredStrategy, and hub.KerasLayer
# is built on tf_keras.
import tf_keras as keras

from model.video_swin.closed_form import gelu_linear, normalise
from model.video_swin.sums import add_bias

EPSILON = 1e-5  # PyTorch's LayerNorm; Keras's default of 1e-3 costs accuracy silently


def build(layer, shape):
    """Creates a layer's variables now, under its own name."""
    with tf.name_scope(layer.name):
        layer.build(shape)


def feature_map(channels):
    """The shape of a feature map; LayerNormalization takes its axis from the rank."""
    return [None, None, None, None, channels]


def truncated_normal():
    """The official initialiser of linear layers and bias tables."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


class LayerNorm(keras.layers.LayerNormalization):
    """LayerNorm over channels, in float32 under any policy."""

    def __init__(self, epsilon=EPSILON, dtype="float32", **kwargs):
        """Args as those of Keras's layer."""
        super().__init__(epsilon=epsilon, dtype=dtype, **kwargs)

    def call(self, x):
        """[..., C] -> [..., C]."""
        return normalise(x, self.epsilon, self.dtype) * self.gamma + self.beta


class Linear(keras.layers.Layer):
    """A linear layer, initialised as in the official code, on its own or after a norm.

    LayerNorm ends with a gain and a shift of each channel, which make one linear
    function with the layer behind it:

        (gain n + shift) kernel + bias = n (gain kernel) + (shift kernel + bias)

    So they are applied to the kernel, not to the feature map.
    """

    def __init__(self, units, use_bias=True, **kwargs):
        """`units` is C of the output; `use_bias` says whether there is a bias."""
        super().__init__(autocast=False, **kwargs)  # a norm is computed in float32
        self.units = units
        self.use_bias = use_bias

    def build(self, shape):
        """Creates the variables for [..., C]."""
        self.kernel = self.add_weight(
            "kernel",
            [shape[-1], self.units],
            initializer=truncated_normal(),
            autocast=False,  # gain and shift are applied in float32
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", [self.units], initializer="zeros", autocast=False
            )
        self.built = True

    def call(self, x, norm=None, *, factor=None, padding=None):
        """linear(x), or linear(norm(x)), times a factor.

        Args:
            x: [B, ..., C]; only B may be unknown when tracing.
            norm: a `LayerNorm`, applied before.
            factor: [units], by which the result is multiplied; None for 1, which
                makes no copy of the kernel.
            padding: float [...], 1 at tokens of zeros that count as zeros to this layer
                although there is a norm, 0 at all others; None where there are none.

        Returns:
            [B, ..., units] in the compute precision.
        """
        kernel, constant = self.kernel, 0.0 if self.bias is None else self.bias
        if factor is not None:
            kernel, constant = kernel * factor, constant * factor
        if norm is None:
            x = tf.cast(x, self.compute_dtype)
        else:
            x = normalise(x, norm.epsilon, self.compute_dtype)
            shift = tf.reduce_sum(tf.expand_dims(norm.beta, 1) * kernel, axis=0)
            kernel = tf.expand_dims(norm.gamma, 1) * kernel
            constant = constant + shift
        y = tf.matmul(
            tf.reshape(x, [-1, x.shape[-1]]), tf.cast(kernel, self.compute_dtype)
        )
        if self.bias is not None or norm is not None:
            y = add_bias(y, tf.cast(constant, self.compute_dtype))
        y = tf.reshape(y, [-1, *x.shape[1:-1], self.units])
        if padding is not None:
            y -= tf.cast(padding[..., tf.newaxis] * shift, y.dtype)
        return y

    def get_config(self):
        """The arguments of `__init__`."""
        config = {"units": self.units, "use_bias": self.use_bias}
        return super().get_config() | config


class GeluLinear(Linear):
    """GELU, then a linear layer."""

    def call(self, x):
        """[B, ..., C] in the compute precision -> [B, ..., units]."""
        kernel, bias = (tf.cast(v, x.dtype) for v in (self.kernel, self.bias))
        y = gelu_linear(tf.reshape(x, [-1, x.shape[-1]]), kernel, bias)
        return tf.reshape(y, [-1, *x.shape[1:-1], self.units])
