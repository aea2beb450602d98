"""The whole model and one update of it: uint8 clips in, float32 logits out.

Normalisation is part of the model, so that training, evaluation, prediction and the
exported SavedModel cannot disagree about it.
"""

import time

import tensorflow as tf
import tf_keras as keras

from model.replicas import concatenate, sum_over_workers

# Of RGB values in 0..255; official file configs/recognition/swin/*.py, img_norm_cfg.
MEAN = (123.675, 116.28, 103.53)
STANDARD_DEVIATION = (58.395, 57.12, 57.375)

# Folded into an example's seed, so that the head's mask is drawn apart from the
# backbone's stochastic depth.
HEAD_SALT = 1


def normalise(clip):
    """Normalises RGB clips.

    Args:
        clip: uint8 [b, T, 3, H, W] in 0..255.

    Returns:
        The same shape in the compute precision of the global policy.
    """
    shape = (1, 1, 3, 1, 1)
    clip = (tf.cast(clip, tf.float32) - tf.reshape(MEAN, shape)) / tf.reshape(
        STANDARD_DEVIATION, shape
    )
    return tf.cast(clip, keras.mixed_precision.global_policy().compute_dtype)


def per_example_dropout(features, rate, seed):
    """Applies dropout with a mask that is a pure function of each example's seed.

    Keras's own layer keeps its random state outside checkpoints; this one has none, so
    that a resumed run, and any number of replicas, draws the same masks.

    Args:
        features: float [b, C].
        rate: fraction dropped, in [0, 1); the rest is scaled by 1 / (1 - rate).
        seed: int32 [b, 2].
    """
    if rate == 0:
        return features
    channels = features.shape[-1]
    uniform = tf.map_fn(
        lambda example: tf.random.stateless_uniform(
            [channels], tf.random.experimental.stateless_fold_in(example, HEAD_SALT)
        ),
        seed,
        fn_output_signature=tf.float32,
    )
    return tf.where(uniform >= rate, features / (1 - rate), tf.zeros_like(features))


class Classifier(keras.Model):
    """A backbone and an I3D head: mean over space and time, dropout, dense layer.

    Called with uint8 [b, T, 3, H, W] in 0..255 (RGB), or with a dict of that "clip" and
    the "seed" int32 [b, 2] which training needs. Returns float32 logits [b, classes].

    Head: official file mmaction/models/heads/i3d_head.py (dense weights normal with
    standard deviation 0.01).

    Attributes:
        backbone: a `model.backbones.Backbone`, normalised float [b, T, 3, H, W] ->
            features [b, T', H', W', C].
        head: the dense layer, float32 whatever the precision of the backbone.
    """

    def __init__(self, backbone, num_classes, *, dropout=0.0):
        """Creates the head; the backbone comes with its variables.

        Args:
            backbone: a `model.backbones.Backbone`.
            num_classes: how many classes the head tells apart.
            dropout: fraction of the features dropped in training, in [0, 1).
        """
        super().__init__(name="classifier")
        self.news = lambda: {}
        self.backbone = backbone
        self.dropout = dropout
        self.head = keras.layers.Dense(
            num_classes,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            dtype="float32",
            name="head",
        )

    def call(self, inputs, training=False):
        """Computes logits; see the class."""
        if not isinstance(inputs, dict):
            inputs = {"clip": inputs}
        seed = inputs["seed"] if training else None
        features = self.backbone(
            normalise(inputs["clip"]), training=training, seed=seed
        )
        features = tf.reduce_mean(tf.cast(features, tf.float32), axis=(1, 2, 3))
        if training:
            features = per_example_dropout(features, self.dropout, seed)
        return self.head(features)

    def compile(self, optimizer, *, label_smoothing=0.0, accumulation_steps=1):
        """Takes what only training needs, and creates the optimizer's variables.

        The optimizer is wrapped so that an update that is not finite is skipped:
        Keras's loss-scale optimizer skips such an update on every replica and counts
        the step all the same. Under mixed_float16 it also scales the loss; otherwise
        its scale stays at 1, which changes no bit.

        Args:
            optimizer: a `model.optimizer.AdamW` for the variables of this model.
            label_smoothing: fraction of the target that is spread over all classes.
            accumulation_steps: parts in which a replica's batch is computed, one after
                the other, for one update (gradient accumulation).
        """
        self.label_smoothing = label_smoothing
        self.accumulation_steps = accumulation_steps
        scaled = keras.mixed_precision.global_policy().name == "mixed_float16"
        scale = {} if scaled else dict(initial_scale=1, dynamic_growth_steps=2**31 - 1)
        super().compile(
            optimizer=keras.mixed_precision.LossScaleOptimizer(optimizer, **scale)
        )
        self.optimizer.build(self.trainable_variables)

    def tell_workers(self, news):
        """Has each worker of a cluster tell the others something with every update.

        Args:
            news: a function that returns what this worker tells, a dict of numbers.
                The sums over all workers are among the results of the update.
        """
        self.news = news

    def losses_per_example(self, labels, logits):
        """Cross-entropy with label smoothing: int [b], [b, classes] -> float32 [b]."""
        num_classes = logits.shape[-1]
        targets = tf.one_hot(labels, num_classes) * (1 - self.label_smoothing)
        targets += self.label_smoothing / num_classes
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)

    def train_step(self, data):
        """One update from one replica's part of the global batch.

        Args:
            data: ({"clip", "seed", "video"}, labels int [b], weights float [b]).
                Examples of weight 0 count for nothing; the loss is the mean over the
                others of all replicas.

        Returns:
            Dict of scalars that are the same on every replica (loss, accuracy,
            gradient_norm, learning_rate, loss_scale, weight) and "video" int [b].
        """
        inputs, labels, weights = data
        replica = tf.distribute.get_replica_context()
        total = replica.all_reduce("SUM", tf.reduce_sum(weights))
        sums, gradients = self._sums_and_gradients(
            inputs, labels, tf.math.divide_no_nan(weights, total)
        )
        sums = replica.all_reduce("SUM", sums)
        gradients = self.optimizer.get_unscaled_gradients(
            replica.all_reduce("SUM", gradients)
        )
        norm = tf.linalg.global_norm(gradients)
        # Read before the update is applied, which changes both.
        before = {
            "learning_rate": self.optimizer.inner_optimizer.schedule(
                self.optimizer.iterations
            ),
            "loss_scale": tf.identity(self.optimizer.loss_scale),
        }
        # A loss that is not finite need not reach every gradient; the update is skipped
        # on all replicas only if it does.
        factor = tf.where(tf.math.is_finite(sums["loss"]), 1.0, float("nan"))
        variables = self.trainable_variables
        with tf.control_dependencies(list(before.values())):
            self.optimizer.apply_gradients(
                [(factor * g, v) for g, v in zip(gradients, variables, strict=True)],
                skip_gradients_aggregation=True,
            )
        return {
            **sums,
            **before,
            "gradient_norm": norm,
            "weight": total,
            "video": inputs["video"],
        }

    def make_train_function(self, force=False):
        """The function `fit` calls: one batch from the iterator, one update.

        Keras's own would sum the scalars over the replicas. This one also measures how
        long the batch was waited for ("data_wait", seconds).
        """
        if self.train_function is None or force:
            update = tf.function(self._update, autograph=False)

            def train_function(iterator):
                begin = time.monotonic()
                data = next(iterator)
                wait = time.monotonic() - begin
                news = {k: tf.constant(v, tf.float32) for k, v in self.news().items()}
                return {**update(data, news), "data_wait": wait}

            self.train_function = train_function
        return self.train_function

    def _update(self, data, news):
        """One update from a distributed batch: `train_step`'s results, all "video".

        Args:
            data: see `train_step`.
            news: of this worker, a dict of float32 scalars; the results have the sums.
        """
        strategy = self.distribute_strategy
        results = strategy.run(self.train_step, args=(data,))
        if news:
            results |= strategy.run(sum_over_workers, args=(news,))
        self._train_counter.assign_add(1)
        video = concatenate(strategy, results.pop("video"))
        first = {
            name: strategy.experimental_local_results(value)[0]
            for name, value in results.items()
        }
        return {**first, "video": video}

    def _sums_and_gradients(self, inputs, labels, example_weights):
        """Weighted sums over a replica's examples, in `accumulation_steps` parts.

        Returns:
            ({"loss", "accuracy"}: float32 scalars, gradients of the scaled loss).
        """
        batch = (
            {"clip": inputs["clip"], "seed": inputs["seed"]},
            labels,
            example_weights,
        )
        if self.accumulation_steps == 1:
            return self._sums_and_gradients_of_part(*batch)
        parts = tf.nest.map_structure(self._split, batch)
        totals = (
            {"loss": tf.zeros([]), "accuracy": tf.zeros([])},
            [tf.zeros(v.shape, v.dtype) for v in self.trainable_variables],
        )
        # A loop, not copies side by side: the parts must not be in memory together.
        _, totals = tf.while_loop(
            lambda index, _: index < self.accumulation_steps,
            lambda index, totals: (
                index + 1,
                tf.nest.map_structure(
                    tf.add,
                    totals,
                    self._sums_and_gradients_of_part(
                        *tf.nest.map_structure(lambda t: t[index], parts)
                    ),
                ),
            ),
            (0, totals),
            parallel_iterations=1,
        )
        return totals

    def _split(self, tensor):
        size = tf.shape(tensor)[0] // self.accumulation_steps
        return tf.reshape(
            tensor,
            tf.concat([[self.accumulation_steps, size], tf.shape(tensor)[1:]], 0),
        )

    def _sums_and_gradients_of_part(self, inputs, labels, example_weights):
        with tf.GradientTape() as tape:
            logits = self(inputs, training=True)
            loss = tf.reduce_sum(
                example_weights * self.losses_per_example(labels, logits)
            )
            scaled = self.optimizer.get_scaled_loss(loss)
        gradients = tape.gradient(
            scaled,
            self.trainable_variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        correct = tf.equal(tf.argmax(logits, axis=1, output_type=labels.dtype), labels)
        sums = {
            "loss": loss,
            "accuracy": tf.reduce_sum(example_weights * tf.cast(correct, tf.float32)),
        }
        return sums, [tf.convert_to_tensor(gradient) for gradient in gradients]
