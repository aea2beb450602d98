"""Checkpoints that are absent or complete, and verified before they are used.

A checkpoint is written into a folder aside: TensorFlow's files, `state.json`, then
`manifest.json` with the size and SHA-256 of each. Every file and the folder are synced
to the disk before one rename makes it `step-00000123`; TensorFlow itself never syncs.
Removal renames first, too, so that a name `step-…` always means a complete checkpoint.
"""

import hashlib
import json
import os
import shutil

import tensorflow as tf
from absl import logging

from callbacks.folder import checkpoint_steps, sync
from configs.errors import CheckpointError, NumericsError, StorageError

ASIDE = ".aside-"
DAMAGED = ".damaged"
MANIFEST = "manifest.json"


class CheckpointStore:
    """The checkpoints of one run, in one folder.

    Args:
      path: the folder; created when first saved to.
      model: its `backbone`, `head` and, where it is to be trained, `optimizer` are what
        is saved; built, with every variable created.
      run_id: of the run; a checkpoint of another one is refused.
      keep: how many of the newest stay.
    """

    def __init__(self, path, model, *, run_id, keep=1):
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
        aside = self.path / f"{ASIDE}{step:08d}"
        try:
            self._clear_aside()
            if not self.path.exists():
                self.path.mkdir()
                sync(self.path.parent)
            aside.mkdir()
            self.checkpoint.write(str(aside / "variables"))
            state = {"step": step, "run_id": self.run_id}
            (aside / "state.json").write_text(json.dumps(state))
            _seal(aside)
            os.rename(aside, self.folder(step))
            sync(self.path)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise StorageError(
                f"The checkpoint of step {step} could not be written to {self.path}: "
                f"{error}"
            ) from error

    def restore(self, step=None, objection=lambda step: None):
        """Restores the newest checkpoint that verifies, or a given one.

        A store whose model is trained sets unusable checkpoints newer than the one
        restored aside, under another name. Where none is usable nothing is changed.

        Args:
          step: restores this one only.
          objection: why a step's checkpoint cannot be used for another reason than its
            own state, or None; a function.

        Returns:
          The step restored, or None if there has never been a checkpoint.

        Raises:
          CheckpointError: checkpoints exist but none can be used.
          StorageError: an unusable one could not be set aside.
        """
        damaged = {}
        for candidate in self.steps() if step is None else [step]:
            reason = objection(candidate) or self._try(candidate)
            if reason is None:
                if self.optimizer is not None:
                    self._set_aside(damaged)
                    self._clear_aside()
                return candidate
            damaged[candidate] = reason
        if not damaged and not list(self.path.glob(f"*{DAMAGED}*")):
            return None
        reasons = [f"step {step}: {reason}" for step, reason in damaged.items()]
        raise CheckpointError(
            f"No checkpoint in {self.path} can be used ({'; '.join(reasons)}). Put a "
            "good copy back, or begin again in another --workdir."
        )

    def _clear_aside(self):
        """Removes what an interrupted save or removal left."""
        for leftover in self.path.glob(f"{ASIDE}*"):
            shutil.rmtree(leftover, ignore_errors=True)

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
        reason = _damage(folder, {"step": step, "run_id": self.run_id})
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

    def _set_aside(self, damaged):
        for step, reason in damaged.items():
            folder = self.folder(step)
            target = folder.with_name(folder.name + DAMAGED)
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
                doomed = self.path / f"{ASIDE}{step:08d}"
                try:
                    os.rename(self.folder(step), doomed)
                    shutil.rmtree(doomed)
                except OSError as error:
                    logging.warning(
                        "The old checkpoint of step %d cannot be removed: %s",
                        step,
                        error,
                    )


def _variables(trackable):
    variables = trackable.variables
    return variables() if callable(variables) else variables


def _seal(folder):
    """Syncs every file of a folder and lists them in its manifest."""
    files = {}
    for path in sorted(folder.iterdir()):
        files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        sync(path)
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps(files, indent=2))
    sync(manifest)
    sync(folder)


def _damage(folder, expected):
    """Why a checkpoint is not whole, or not the one expected, or None.

    Args:
      folder: of the checkpoint.
      expected: what its state.json must hold.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text())
        for name, facts in files.items():
            path = folder / name
            if path.stat().st_size != facts["bytes"]:
                return f"{name} has {path.stat().st_size} of {facts['bytes']} bytes"
            if _sha256(path) != facts["sha256"]:
                return f"{name} does not match its SHA-256"
        state = json.loads((folder / "state.json").read_text())
        for name, value in expected.items():
            if state[name] != value:
                return f"it is of another run or step: its {name} is {state[name]}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def restore_weights(model, folder, step=None):
    """Gives a model the weights of a run's checkpoint, to evaluate or predict with.

    Changes nothing in the folder.

    Args:
      model: the run's model, built.
      folder: the `RunFolder`.
      step: the checkpoint's step; None takes the newest that can be used.

    Returns:
      The checkpoint's step.

    Raises:
      CheckpointError: there is none, or none can be used.
    """
    store = CheckpointStore(
        folder / "checkpoints", model, run_id=folder.identity.get("run_id")
    )
    restored = store.restore(step)
    if restored is None:
        raise CheckpointError(
            f"{folder.path} holds no checkpoint; train the run first."
        )
    return restored
