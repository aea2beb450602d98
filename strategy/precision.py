"""The precision of the computation; variables stay float32."""

import tensorflow as tf
import tf_keras as keras
from absl import logging


def set_precision(precision, rewrite_graphs=False):
    """Sets the policy that layers created from here on compute in.

    Under mixed_float16 the classifier scales its loss dynamically; bfloat16 has
    float32's range and needs no scaling.

    Args:
      precision: float32, mixed_bfloat16 or mixed_float16.
      rewrite_graphs: also have TensorFlow rewrite finished graphs (a backbone that runs
        as a SavedModel takes no policy) to the lower precision.
    """
    keras.mixed_precision.set_global_policy(precision)
    if rewrite_graphs and precision != "float32":
        # The two rewrites are for the two kinds of device: bfloat16 graphs are
        # rewritten by oneDNN on CPUs only.
        rewrite = {
            "mixed_float16": "auto_mixed_precision",
            "mixed_bfloat16": "auto_mixed_precision_onednn_bfloat16",
        }[precision]
        tf.config.optimizer.set_experimental_options({rewrite: True})
        logging.info(
            "The backbone's graph is rewritten to %s (%s).", precision, rewrite
        )
