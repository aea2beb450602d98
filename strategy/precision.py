"""The precision of the computation; variables stay float32."""

import tf_keras as keras


def set_precision(precision):
    """Sets the policy that layers created from here on compute in.

    Under mixed_float16 the classifier scales its loss dynamically; bfloat16 has
    float32's range and needs no scaling.

    Args:
        precision: float32, mixed_bfloat16 or mixed_float16.
    """
    keras.mixed_precision.set_global_policy(precision)
