"""Checkpoints that are absent or complete, and verified before they are used.

A checkpoint is written into a folder aside: TensorFlow's files, `state.json`, then
`manifest.json` with the size and SHA-256 of each. Every file and the folder are synced
to the disk before one rename makes it `step-00000123`; TensorFlow itself never syncs.
A checkpoint is removed by renaming it first. So a folder with a name `step-…` is always
a complete checkpoint.
"""

import dataclasses
import hashlib
import json
import os

import numpy as np
import tensorflow as tf
from absl import logging

from configs.command.errors import CheckpointError, NumericsError, StorageError
from storage.files import clear_asides, remove_atomically, written_aside
from storage.manifests import difference, read_manifest, to_manifest
from storage.plans import chosen_step
from storage.records import Count, decode
from storage.run_folder import CHECKPOINT, checkpoint_steps

DAMAGED = ".damaged"
STRAY = ".stray"
MANIFEST = "manifest.json"
STATE = "state.json"
INDEX = "variables.index"
VALUES = "variables.data-00000-of-00001"


@dataclasses.dataclass(frozen=True)
class State:
    """What state.json holds: the updates done so far, and whose they are."""

    step: Count
    run_id: str


class CheckpointStore:
    """The checkpoints of one run, in one folder."""

    def __init__(self, path, model, *, run_id, keep=1):
        """Opens the store; nothing is read or written yet.

        Args:
            path: the folder; created when first saved to.
            model: its `backbone`, `head` and, where it is compiled, `optimizer` are
                what is saved; every variable exists already.
            run_id: of the run; a checkpoint of another one is refused.
            keep: how many of the newest are kept.
        """
        self.path = path
        self.run_id = run_id
        self.keep = keep
        self.optimizer = model.optimizer
        parts = {"backbone": model.backbone, "head": model.head}
        if self.optimizer is not None:
            parts["optimizer"] = self.optimizer
        self.checkpoint = tf.train.Checkpoint(**parts)
        self.variables = [v for part in parts.values() for v in _variables(part)]

    def steps(self):
        """The steps of all complete checkpoints, newest first."""
        return checkpoint_steps(self.path)

    def folder(self, step):
        """The folder of a step's checkpoint."""
        return self.path / f"step-{step:08d}"

    def weights_sha256(self, step):
        """The SHA-256, by the manifest, of the values of a step's checkpoint."""
        return values_sha256_of(self.folder(step))

    def values_sha256(self):
        """The SHA-256 of the values that the variables have now."""
        digest = hashlib.sha256()
        for variable in self.variables:
            digest.update(np.ascontiguousarray(variable.numpy()))
        return digest.hexdigest()

    def save(self, step, protect=()):
        """Commits a checkpoint unless there is one, then removes those no longer kept.

        Args:
            step: updates done so far.
            protect: steps that stay, besides the newest.

        Raises:
            NumericsError: a variable is not finite; nothing was written.
            StorageError: it could not be written; earlier ones are untouched, and
                nothing of the attempt is left.
        """
        if step not in self.steps():
            self._require_finite(step)
            self._write(step)
        self._prune(protect)

    def _write(self, step):
        clear_asides(self.path, CHECKPOINT.fullmatch)
        if self.folder(step).exists():
            self._set_aside({step: "it holds nothing of one"}, STRAY)
        try:
            with written_aside(self.folder(step)) as aside:
                aside.mkdir()
                self.checkpoint.write(str(aside / "variables"))
                state = {"step": step, "run_id": self.run_id}
                (aside / STATE).write_text(json.dumps(state), "utf-8")
                _seal(aside)
        except (StorageError, tf.errors.OpError) as error:
            raise StorageError(
                f"The checkpoint of step {step} could not be written to {self.path}: "
                f"{error}"
            ) from error

    def restore(self, objection=lambda step: None, *, set_aside=True):
        """Restores the newest checkpoint that passes its checks, to train on from it.

        Newer ones that cannot be used are set aside under another name, with a line of
        the log for each. Where none can be used, nothing is changed.

        Args:
            objection: a function that says why the checkpoint of a step cannot be used
                for another reason than its own state, or None.
            set_aside: False: they are logged, and nothing is changed.

        Returns:
            The step restored, or None if there has never been a checkpoint.

        Raises:
            CheckpointError: checkpoints exist but none can be used.
            StorageError: one that cannot be used could not be set aside.
        """
        damaged = {}
        for step in self.steps():
            reason = objection(step) or self._try(step)
            if reason is None:
                if set_aside:
                    self._set_aside(damaged)
                    clear_asides(self.path, CHECKPOINT.fullmatch)
                elif damaged:
                    logging.warning(
                        "Checkpoints that cannot be used: %s.", _described(damaged)
                    )
                line = "All %d variables from the checkpoint of step %d."
                logging.info(line, len(self.variables), step)
                return step
            damaged[step] = reason
        if not damaged and not list(self.path.glob(f"*{DAMAGED}*")):
            return None
        raise CheckpointError(
            f"No checkpoint in {self.path} can be used ({_described(damaged)}). Put a "
            "good copy back, or begin again in another --workdir."
        )

    def restore_weights(self, step=None):
        """Restores exactly the checkpoint that is asked for, and changes nothing.

        A result must not come from an older checkpoint than its reader thinks: where
        the newest is damaged, the user chooses.

        Args:
            step: the checkpoint's step; None takes the newest.

        Returns:
            The step restored.

        Raises:
            CheckpointError: there is no such checkpoint, or it cannot be used.
        """
        step = chosen_step(self.path, step)
        reason = self._try(step)
        if reason is not None:
            others = [other for other in self.steps() if other != step]
            raise CheckpointError(
                f"{self.folder(step)} cannot be used: {reason}. Put a good copy back"
                + (f", or choose another --step of {others}." if others else ".")
            )
        return step

    def _require_finite(self, step):
        for variable in self.variables:
            if not variable.dtype.is_floating:
                continue
            if not tf.reduce_all(tf.math.is_finite(variable)):
                good = [self.folder(saved) for saved in self.steps()]
                raise NumericsError(
                    f"The checkpoint of step {step} must hold finite values; "
                    f"{variable.name} does not. Nothing was written; the last good "
                    f"checkpoint is {good[0] if good else 'none'}."
                )

    def _try(self, step):
        """Restores one checkpoint; returns why it cannot be used, or None."""
        folder = self.folder(step)
        reason = damage(folder, {"step": step, "run_id": self.run_id})
        if reason is None:
            try:
                status = self.checkpoint.read(str(folder / "variables"))
                # Both ways: no variable without a value, no value without a variable
                # (but an optimizer's, where the model is not to be trained).
                status.assert_existing_objects_matched()
                if self.optimizer is not None:
                    status.assert_consumed()
                else:
                    status.expect_partial()
            except (AssertionError, ValueError, tf.errors.OpError) as error:
                reason = f"it does not fit this model: {error}"
        return reason

    def _set_aside(self, damaged, suffix=DAMAGED):
        for step, reason in damaged.items():
            folder = self.folder(step)
            target = folder.with_name(folder.name + suffix)
            while target.exists():
                target = target.with_name(target.name + "x")
            try:
                os.rename(folder, target)
            except OSError as error:
                raise StorageError(
                    f"{folder} must be set aside ({reason}): {error}."
                ) from error
            logging.warning(
                "Checkpoint %s cannot be used (%s); set aside as %s.",
                folder,
                reason,
                target.name,
            )

    def _prune(self, protect):
        for step in self.steps()[self.keep :]:
            if step not in protect:
                try:
                    remove_atomically(self.folder(step))
                except OSError as error:
                    logging.warning(
                        "The old checkpoint of step %d cannot be removed: %s",
                        step,
                        error,
                    )


def _described(damaged):
    return "; ".join(f"step {step}: {reason}" for step, reason in damaged.items())


def _variables(trackable):
    variables = trackable.variables
    return variables() if callable(variables) else variables


def _seal(folder):
    """Lists every file of a folder in its manifest."""
    names = [path.name for path in folder.iterdir()]
    (folder / MANIFEST).write_text(to_manifest(folder, names), "utf-8")


def values_sha256_of(folder):
    """The SHA-256, by the manifest, of the values of the checkpoint in a folder."""
    return read_manifest(folder / MANIFEST)[VALUES].sha256


def damage(folder, expected):
    """Why a checkpoint is damaged or not the expected one, or None if it is good.

    Args:
        folder: of the checkpoint.
        expected: what its state.json must hold.
    """
    try:
        files = read_manifest(folder / MANIFEST)
        # TensorFlow reads every file of this name; none may go unverified.
        needed = {STATE, INDEX, VALUES} | {p.name for p in folder.glob("variables*")}
        if not needed <= files.keys():
            return f"{MANIFEST} does not list {min(needed - files.keys())}"
        reason = difference(folder, files)
        if reason:
            return reason
        state = decode((folder / STATE).read_bytes(), State)
        for name, value in expected.items():
            if getattr(state, name) != value:
                found = getattr(state, name)
                return f"it is of another run or step: its {name} is {found}"
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    except ValueError as error:
        return str(error)
    return None
