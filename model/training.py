"""One update of a model, from the clips of all replicas to its variables."""

import contextlib
import time

import numpy as np
import tensorflow as tf
import tf_keras as keras

from configs.command.errors import ConfigError
from configs.command.text import first_line
from model.accumulation import accumulate
from model.optimizer.loss_scale import LossScale, update_or_skip
from model.replicas import from_places, placed, sum_over_replicas
from model.traced_once import traced_once

# The scalars of an update, as `Classifier.train_step` returns them.
RESULTS = (
    "loss",
    "accuracy",
    "gradient_norm",
    "learning_rate",
    "loss_scale",
    "weight",
)


class Trainable(keras.Model):
    """A model of clips that `fit` trains by updates of this project's own.

    Subclasses provide `draw_masks` and `losses_per_example`, and logits when called
    with a dict of "clip" and "masks". None of these may ask which replica it is on, as
    they are traced once for all (see `model.traced_once`).
    """

    def __init__(self, **kwargs):
        """Creates a model whose workers have nothing to tell one another.

        Args:
            **kwargs: those of a Keras model.
        """
        super().__init__(**kwargs)
        self.news = lambda: {}

    def draw_masks(self, seed):
        """Draws all that is random about examples in training.

        Never inside what XLA compiles: the same seeds give other numbers there.

        Args:
            seed: int32 [b, 2], one for each example.

        Returns:
            A structure of tensors [b, ...]; the masks of an example depend on its seed
            only.
        """
        raise NotImplementedError

    def losses_per_example(self, labels, logits):
        """The loss: int [b], [b, classes] -> float32 [b]."""
        raise NotImplementedError

    def compile(
        self,
        optimizer,
        *,
        label_smoothing=0.0,
        class_weights=None,
        accumulation_steps=1,
        jit_compile=False,
    ):
        """Takes what only training needs, and creates the optimizer's variables.

        An update that is not finite is skipped on every replica, and counted all the
        same. Under mixed_float16 the loss is scaled; otherwise its scale stays at 1,
        which changes no bit.

        Args:
            optimizer: a `model.optimizer.AdamW` for the variables of this model.
            label_smoothing: fraction of the target that is spread over all classes.
            class_weights: float32 [classes], factors of the losses of their examples;
                None: no factors.
            accumulation_steps: parts in which a replica's batch is computed, one after
                the other, for one update (gradient accumulation).
            jit_compile: whether XLA compiles the forward and backward pass of a part.
                What is random is drawn outside, sums over replicas and the update are
                computed outside.

        Raises:
            ValueError: a variable was not created in the scope of the model's strategy.
        """
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self.accumulation_steps = accumulation_steps
        super().compile(optimizer=optimizer)
        self.optimizer = optimizer  # Without Keras's loss scale under mixed_float16.
        optimizer.build(self.trainable_variables)
        optimizer.loss_scale = LossScale(
            dynamic=keras.mixed_precision.global_policy().name == "mixed_float16"
        )
        self._check_scope()
        self.is_compiled_by_xla = jit_compile
        self._part = self.sums_and_gradients
        if jit_compile:
            compiled = tf.function(self._part, autograph=False, jit_compile=True)
            # A function of Python: Keras would put TensorFlow's into checkpoints.
            self._part = lambda *batch: compiled(*batch)
        self._own_sums = traced_once(self._sums_of_parts, self._all_variables)
        self._own_update = traced_once(self._update_or_skip, self._all_variables)

    def _check_scope(self):
        """Refuses a variable of which not every replica has a copy of its own."""
        created_in_scope = self.distribute_strategy.extended.variable_created_in_scope
        for variable in self._all_variables():
            if not created_in_scope(variable):
                raise ValueError(
                    "Model, optimizer and compile() must be in the scope of the same "
                    f"strategy; the variable {variable.name} was created outside."
                )

    def tell_workers(self, news):
        """Has each worker of a cluster tell the others something with every update.

        Args:
            news: a function that returns what this worker tells, a dict of numbers.
                The sums over all workers are among the results of the update.
        """
        self.news = news

    def train_step(self, data, news=None):
        """One update from one replica's part of the global batch.

        Args:
            data: ({"clip", "seed", "video"}, labels int [b], weights float [b]).
                Examples of weight 0 count for nothing. The loss is the sum over the
                others of all replicas, each times the weight of its class, divided by
                how many they are; not by the sum of those factors, which differs from
                batch to batch. The accuracy knows no weights of classes.
            news: dict of float32 scalars that are to be summed over the replicas.

        Returns:
            Dict, the same on every replica: the scalars of `RESULTS`, the sums of the
            news, and "video", float64 [replicas * b].
        """
        sums, gradients, video, counted = self._summed(data, news or {})
        for name in ("loss", "accuracy"):
            sums[name] = tf.math.divide_no_nan(sums[name], counted)
        return {
            **sums,
            **self._own_update(gradients, sums["loss"], counted),
            "video": video,
        }

    def _summed(self, data, news):
        """Sums over the examples of all replicas, by one collective operation.

        Returns:
            (scalars by name, gradients, "video" of all replicas, the fraction of the
            examples that count, by which loss, accuracy and gradients must be divided).
        """
        inputs, labels, weights = data
        replica = tf.distribute.get_replica_context()
        size = tf.cast(tf.size(weights) * replica.num_replicas_in_sync, tf.float32)
        # Loss and gradients are linear in the weights, so how many examples count can
        # be summed along with them. Divided by the size of the batch they are as large
        # as in the end, or smaller: float16 does not overflow.
        shares = weights / size
        sums, gradients = self._own_sums(
            {name: inputs[name] for name in ("clip", "seed")},
            labels,
            shares,
            shares * self.optimizer.loss_scale.value(),
        )
        sums = {**sums, "weight": tf.reduce_sum(weights)}
        for name, value in news.items():
            sums[name] = tf.identity(value)  # On the replica's device.
        sums, gradients, video = sum_over_replicas(
            (sums, gradients, placed(inputs["video"]))
        )
        return sums, gradients, from_places(video), sums["weight"] / size

    def _sums_of_parts(self, inputs, labels, *weights):
        """Sums and gradients of a replica, its parts computed one after the other."""
        masks = self.draw_masks(inputs["seed"])
        batch = {"clip": inputs["clip"], "masks": masks}, labels, *weights
        return accumulate(self._part, batch, self.accumulation_steps, self._forms())

    def _update_or_skip(self, gradients, loss, counted):
        """Of a replica, by the sums over all."""
        return update_or_skip(
            self.optimizer, self.trainable_variables, gradients, loss, counted
        )

    def _all_variables(self):
        """All that a replica reads or writes."""
        scale = self.optimizer.loss_scale
        return [*self.variables, *self.optimizer.state, *scale.variables]

    def make_train_function(self, force=False):
        """The function `fit` calls: one batch from the iterator, one update.

        Keras's own would sum the scalars over the replicas, and `fit` would copy them
        to the host one by one. This one copies once, and also measures how long the
        batch was waited for ("data_wait", seconds).
        """
        if self.train_function is None or force:
            update = tf.function(self._update, autograph=False)

            def train_function(iterator):
                begin = time.monotonic()
                data = next(iterator)
                wait = time.monotonic() - begin
                news = {k: tf.constant(v, tf.float32) for k, v in self.news().items()}
                with self._explained():
                    values = update(data, news).numpy()
                names = sorted((*RESULTS, *news))
                scalars = values[: len(names)].tolist()
                # After an all-reduce that went wrong it is NaN, and so is the loss.
                with np.errstate(invalid="ignore"):
                    video = values[len(names) :].astype(np.int64)
                scalars = dict(zip(names, scalars, strict=True))
                return {**scalars, "video": video, "data_wait": wait}

            self.train_function = train_function
        return self.train_function

    def _update(self, data, news):
        """One update from a distributed batch.

        Args:
            data: see `train_step`.
            news: of this worker, a dict of float32 scalars.

        Returns:
            float64: the scalars of `train_step` in the order of their names, the sums
            of the news over the workers among them, then "video".
        """
        strategy = self.distribute_strategy
        results = strategy.run(self.train_step, args=(data, news))
        self._train_counter.assign_add(1)
        first = {
            name: strategy.experimental_local_results(value)[0]
            for name, value in results.items()
        }
        for name in news:  # Each replica of a worker has told the same.
            first[name] /= len(strategy.extended.worker_devices)
        video = first.pop("video")
        scalars = tf.stack([first[name] for name in sorted(first)])
        return tf.concat([tf.cast(scalars, tf.float64), video], axis=0)

    @contextlib.contextmanager
    def _explained(self):
        """Says which option to change where XLA cannot compile the model."""
        try:
            yield
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not self.is_compiled_by_xla:
                raise
            raise ConfigError(
                "runtime.jit_compile must be false for a model that XLA cannot "
                f"compile; received true, and XLA says: {first_line(error)}"
            ) from error

    def _forms(self):
        """What `sums_and_gradients` returns, as `tf.TensorSpec`s."""
        return (
            {name: tf.TensorSpec([], tf.float32) for name in ("loss", "accuracy")},
            [tf.TensorSpec(v.shape, v.dtype) for v in self.trainable_variables],
        )

    def sums_and_gradients(self, inputs, labels, example_weights, scaled_weights):
        """Weighted sums over examples, which XLA may compile.

        Args:
            inputs: dict of "clip" and "masks"; see the class.
            labels: int [b].
            example_weights: float [b].
            scaled_weights: float [b], these times the scale of the loss.

        Returns:
            ({"loss", "accuracy"}: float32 scalars, gradients of the scaled loss).
        """
        with tf.GradientTape() as tape:
            logits = self(inputs, training=True)
            losses = self.losses_per_example(labels, logits)
            if self.class_weights is not None:
                losses *= tf.gather(self.class_weights, labels)
            scaled = tf.reduce_sum(scaled_weights * losses)
        gradients = tape.gradient(
            scaled,
            self.trainable_variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        correct = tf.equal(tf.argmax(logits, axis=1, output_type=labels.dtype), labels)
        sums = {
            "loss": tf.reduce_sum(example_weights * losses),
            "accuracy": tf.reduce_sum(example_weights * tf.cast(correct, tf.float32)),
        }
        return sums, [tf.convert_to_tensor(gradient) for gradient in gradients]
