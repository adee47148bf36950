"""Saving, loading and resuming estimators: what a file says of an estimator, and nothing else."""

# Over 500 lines: the five public names and what they share, of whose lines half are docstrings.

from __future__ import annotations

import copy
import hashlib
import json
import os
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator

from skvae._base import BaseVAE, history_columns, history_of
from skvae._classifier import VAEClassifier
from skvae._detector import FittedScore, VAEAnomalyDetector
from skvae._files import onnx_graphs
from skvae._files.allowance import Allowance
from skvae._files.card import card
from skvae._files.checkpoint_folder import CheckpointFolder, epoch_of
from skvae._files.fields import require
from skvae._files.model_file import read_file, unsound, write_file
from skvae._files.schema import check_header, check_parameters, check_run, check_state
from skvae._files.values import Decoder, Encoder
from skvae._imputer import VAEImputer
from skvae._model.module import load_weights
from skvae._rows.source import Source
from skvae._specs import SPEC_CLASSES
from skvae._training.callbacks import FitCallback, Start
from skvae._transformer import VAETransformer
from skvae._validation import Interval, check_is_fitted
from skvae.scores import ModelScore

__all__ = ["Autosave", "describe", "export_onnx", "load", "save"]

_ESTIMATORS = {
    cls.__name__: cls for cls in (VAETransformer, VAEAnomalyDetector, VAEImputer, VAEClassifier)
}
# A resumed fit may change these: they leave the weights alone, or are there to be raised.
_FREE_PARAMETERS = {
    "max_epochs",
    "n_importance_samples",
    "device",
    "callbacks",
    "warm_start",
    "verbose",
    "anomaly_score",
    "contamination",
}


def save(estimator, path):
    """Save a fitted estimator in one file, without pickle.

    Parameters
    ----------
    estimator : VAETransformer, VAEAnomalyDetector, VAEImputer or VAEClassifier
        Fitted.
    path : str or path-like
        The file, replaced if it exists. Its usual ending is ``.skvae``.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter cannot be written, or the estimator is of another class.
    OSError
        If the folder or the disk cannot take the file; one that was there before stays as it was.

    See Also
    --------
    load : Load such a file.

    Notes
    -----
    The file is a safetensors file whose header holds parameters, fitted attributes, versions and a
    checksum. It is written whole or not at all, and saving the same model twice gives the same
    bytes. `callbacks` belong to a training run and are not saved.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = skvae.VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skvae.save(vae, Path(folder) / "iris.skvae")
    ...     same = skvae.load(Path(folder) / "iris.skvae")
    >>> np.array_equal(same.transform(X), vae.transform(X))
    True
    """
    _check_estimator("save", estimator)
    encoder = Encoder(SPEC_CLASSES)
    header = {"kind": "model", **_described(estimator, estimator._get_state(), encoder)}
    with _refusals("estimator"):
        _decoded(
            {**header, "state": {**header["state"]}},
            Decoder(SPEC_CLASSES, encoder.custom, encoder.tensors),
        )
    write_file(path, header, encoder.tensors)


@contextmanager
def _refusals(what):
    """Raise what a reader would refuse as an error of writing."""
    try:
        yield
    except ValueError as exc:
        raise ValueError(f"The {what} cannot be saved, as {exc}.") from exc


def load(path, *, trusted=()):
    """Load an estimator from a file that :func:`save` or :class:`Autosave` wrote.

    Nothing in the file is run or imported, so a file may come from anyone.

    Parameters
    ----------
    path : str or path-like
        The file. A checkpoint of a transformer is loaded as the model that it was at that epoch.
    trusted : sequence of type, default=()
        Your own classes of networks, likelihoods, priors, objectives, scores or optimisers with
        which the model was built. A file that names others is refused.

    Returns
    -------
    estimator : VAETransformer, VAEAnomalyDetector, VAEImputer or VAEClassifier
        As it was when saved; on the CPU if its device is not available. The state of the optimiser
        is not part of a model: further training starts from the weights with a fresh optimiser.

    Raises
    ------
    ValueError
        If the file is damaged, is not a model of skvae, comes from a newer version, or names a
        class that is not trusted.
    FileNotFoundError
        If there is no such file.

    See Also
    --------
    save : Write such a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = skvae.VAEAnomalyDetector(2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.skvae"
    ...     skvae.save(detector, path)
    ...     skvae.load(path)
    VAEAnomalyDetector(max_epochs=2, n_components=2, random_state=0)
    """
    return rebuild(path, *read_file(path), trusted=trusted)


def rebuild(path, header, tensors, *, trusted=()):
    """Rebuild the estimator from what was read of a file; `path` names it in errors."""
    try:
        check_header(header)
        estimator, state = _decoded(header, Decoder(SPEC_CLASSES, trusted, tensors))
        # a user's own parts may compute with their weights when they are built
        with Allowance(tensors.values()):
            estimator._set_state(state, "cpu" if trusted else "meta")
    except Exception as exc:  # whatever NumPy, torch or a library of tables raises for such values
        raise unsound(path, exc) from exc
    return estimator


def _decoded(header, decoder):
    """Return the unfitted estimator and the state in a header, each field of which is checked."""
    cls, kind = _ESTIMATORS[header["estimator"]], header["kind"]
    params = decoder.decode(header["parameters"])
    check_parameters(params, cls._get_param_names())
    estimator = cls(**params)
    estimator._validate_params()
    state = decoder.decode_entries(header["state"])
    check_state(cls.__name__, kind, state)
    if kind == "checkpoint":
        check_run(decoder.decode(header["run"]))
        if cls is not VAETransformer:
            raise ValueError(
                f"it is a checkpoint of a {cls.__name__}, which is complete only when training "
                "ends; finish the fit with Autosave(..., resume=True)"
            )
    if decoder.unused:
        raise ValueError(f"it holds the tensor {min(decoder.unused)[:80]!r}, which has no use")
    return estimator, state


def describe(path):
    """Describe a model file or a checkpoint without building the model.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    card : dict
        Plain values, which JSON can hold: `kind` ("model" or "checkpoint"), `estimator`, the
        `parameters` that differ from their defaults, as text, `n_features`, `feature_names`, the
        `columns` of a data frame with kind, type and values, `n_components`, `n_weights`, the
        number of `training_rows` in the file (as they are, embedded or as pseudo-inputs), `losses`
        of the last epoch, `bytes`, `versions` of the libraries that wrote it, `sha256`, and others.

    Raises
    ------
    ValueError
        If the file is damaged, is not a model of skvae, or comes from a newer version.
    FileNotFoundError
        If there is no such file.

    See Also
    --------
    load : Load the model.

    Notes
    -----
    The time is proportional to the size of the file, whatever is in it. The checksum is compared
    with the content; whether the weights fit the parameters is checked by :func:`load` alone.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = skvae.VAEAnomalyDetector(2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.skvae"
    ...     skvae.save(detector, path)
    ...     card = skvae.describe(path)
    >>> card["estimator"], card["n_features"], card["training_rows"]
    ('VAEAnomalyDetector', 4, 150)
    """
    header, tensors = read_file(path)
    try:
        return card(path, header, tensors, _ESTIMATORS)
    except Exception as exc:  # as in `rebuild`
        raise unsound(path, exc) from exc


def export_onnx(estimator, path, *, part="encoder"):
    """Write a part of a fitted model as an ONNX graph, which runs without Python and torch.

    The graph takes and returns float32 in the units of X: scaling is part of it. It accepts missing
    values (NaN) as the estimator does, except in rows without any observed value, whose posterior
    is then not the prior. Needs the extra `onnx`, and torch 2.6 or later.

    Parameters
    ----------
    estimator : VAETransformer, VAEAnomalyDetector, VAEImputer or VAEClassifier
        Fitted.
    path : str or path-like
        The file, replaced if it exists. Its usual ending is ``.onnx``.
    part : {"encoder", "decoder", "score", "classifier"}, default="encoder"
        "encoder" takes `X` and returns `Z`, the posterior means that `transform` returns;
        "decoder" takes `Z` and returns `X`, as `inverse_transform` does; "score" takes `X`
        and returns `score`, as `score_samples` does, with as many draws; "classifier", of a
        :class:`VAEClassifier`, takes `X` and returns `probabilities`, as `predict_proba` does.
        The score of a detector is its `anomaly_score`, which must be the default or another of
        :mod:`skvae.scores` except :class:`~skvae.scores.LikelihoodRegret`, which trains. One that
        compares with training rows holds them, and needs memory for their distances from all the
        rows that it is given at a time.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If there is no such part, or the score has operations that a graph cannot hold.
    ImportError
        If the packages of the extra are not installed.
    OSError
        If the folder or the disk cannot take the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = skvae.VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.onnx"
    ...     skvae.export_onnx(vae, path, part="decoder")
    ...     path.exists()
    True
    """
    _check_estimator("export_onnx", estimator)
    if part not in onnx_graphs.PARTS:
        raise ValueError(f"'part' must be one of {onnx_graphs.PARTS}, got {part!r}.")
    if part == "classifier" and not estimator.module_.parts.n_classes:
        raise ValueError(
            f"part='classifier' is that of a VAEClassifier, but {type(estimator).__name__} has no "
            f"classes. Choose one of {onnx_graphs.PARTS[:-1]}."
        )
    is_detector = isinstance(estimator, VAEAnomalyDetector)
    score = estimator.anomaly_score_ if is_detector else FittedScore(ModelScore(), {})
    onnx_graphs.export(
        estimator.module_, path, part, score.spec, score.tensors, estimator.n_importance_samples
    )


class Autosave(BaseEstimator, FitCallback):
    """Periodic checkpoints of a fit, from which it continues after an interruption.

    To be passed among the `callbacks` of an estimator. A checkpoint holds everything that training
    needs: weights, the optimiser's state, the place in the learning-rate cycle, the random
    generators, early stopping, and the history. A fit that continues from it ends with the same
    weights, to the bit, as one that was never interrupted. A checkpoint is written whole or not at
    all, and :func:`skvae.load` reads that of a transformer as the model that it was at that epoch.

    Parameters
    ----------
    path : str or path-like
        The folder, created if it does not exist. One folder serves one fit.
    every : int, default=1
        Number of epochs between two checkpoints. Epoch `max_epochs` always has one.
    keep : int or None, default=1
        Number of checkpoints to keep, the newest ones; None keeps all.
    resume : bool, default=False
        Whether `fit` continues from the newest sound checkpoint in the folder. It must have been
        written with the same parameters and the same rows; only `max_epochs` may differ, and the
        rest of the learning-rate cycle then follows the new number. If the folder is empty, the
        fit starts anew. If False, the checkpoints of an earlier fit are replaced.

    See Also
    --------
    VAETransformer : Takes this among its `callbacks`.

    Notes
    -----
    Of the other `callbacks`, a :class:`skorch.callbacks.LRScheduler` continues where it was; all
    others start as they do in a new fit.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from skvae import Autosave, VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     vae = VAETransformer(2, max_epochs=4, random_state=0, callbacks=[Autosave(folder)])
    ...     vae.fit(X).n_iter_
    ...     vae.set_params(max_epochs=6, callbacks=[Autosave(folder, resume=True)])
    ...     vae.fit(X).n_iter_
    4
    VAETransformer(callbacks=[Autosave(path=...
    6
    """

    _parameter_constraints: dict = {
        "path": [str, os.PathLike],
        "every": [Interval(Integral, 1, None, closed="left")],
        "keep": [Interval(Integral, 1, None, closed="left"), None],
        "resume": ["boolean"],
    }

    def __init__(self, path, *, every=1, keep=1, resume=False):
        self.path = path
        self.every = every
        self.keep = keep
        self.resume = resume

    def on_fit_begin(self, estimator, X, start):
        """Open the folder and return where the fit starts: with `resume`, at its newest checkpoint.

        Parameters
        ----------
        estimator : object
            The estimator to be fitted.
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        start : Start
            Where the fit would start.

        Returns
        -------
        start : Start

        Raises
        ------
        ValueError
            If the checkpoint was written with other parameters or other rows.
        """
        self._validate_params()
        self.folder_ = CheckpointFolder(self.path, self.keep)
        self.estimator_, self.dtype_ = estimator, X.dtype
        self.identity_, self.start_, self.found_ = _identity(estimator, X), start, None
        self.path_, self.stateless_, self.has_written_ = None, set(), False
        newest = self.folder_.newest() if self.resume else None
        if newest:
            path, header, tensors = newest
            if header.get("kind") != "checkpoint":
                raise unsound(path, "it is a finished model and not a checkpoint")
            self.path_, self.found_ = path, _read_run(path, header, tensors)
            _check_identity(path, self.found_["identity"], self.identity_)
            self.start_ = _checked_start(path, self.found_, start, self.identity_)
        return self.start_

    def on_train_begin(self, net, **kwargs):
        """Check that training can be resumed, and bring the net to the epoch of the checkpoint.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **kwargs
            Not used.
        """
        net.check_resumable()
        if not self.found_:
            return
        try:
            load_weights(net.module_, self.found_["weights"])
            net.history_ = history_of(self.found_["history"])
            self.stateless_ = net.restore_run(self.found_)
        except Exception as exc:  # as in `rebuild`
            raise unsound(self.path_, exc) from exc
        self.found_ = None

    def on_grad_computed(self, net, named_parameters, **kwargs):
        """Refuse a checkpoint without the optimiser's state of a weight that is being trained.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        named_parameters : iterable of (str, Tensor)
            Weights with their gradients.
        **kwargs
            Not used.
        """
        if self.stateless_:
            trained = {name for name, weights in named_parameters if weights.grad is not None}
            if lost := sorted(self.stateless_ & trained):
                raise unsound(self.path_, f"it lacks the optimiser's state of {lost[0]!r}")
            self.stateless_ = set()

    def on_epoch_end(self, net, **kwargs):
        """Write the checkpoint of the epoch that has just ended, in the first of all processes.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **kwargs
            Not used.
        """
        epoch = len(net.history)
        if net.processes.rank or (epoch % self.every and epoch != net.max_epochs):
            return
        is_first = not self.has_written_
        if is_first:
            net.check_resumable()  # now that all of the optimiser's state is there
        snapshot = copy.copy(self.estimator_)
        columns = history_columns(net.history)
        snapshot._adopt(net.module_, columns, net.settings.precision, self.dtype_)
        run = {"identity": self.identity_, **self.start_._asdict(), **net.run_state()}
        encoder = Encoder(SPEC_CLASSES)
        header = _described(snapshot, BaseVAE._get_state(snapshot), encoder)
        header |= {"kind": "checkpoint", "run": encoder.encode(run, "run")}
        if is_first:
            with _refusals("checkpoint"):
                decoder = Decoder(SPEC_CLASSES, encoder.custom, encoder.tensors)
                decoder.decode_entries({**header["state"]})
        self.folder_.write(epoch, header, encoder.tensors)
        self.has_written_ = True

    def on_train_end(self, net, **kwargs):
        """Release the estimator and the identity of the rows.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net in training.
        **kwargs
            Not used.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)


def _check_estimator(caller, estimator):
    if type(estimator) not in _ESTIMATORS.values():
        *names, last = _ESTIMATORS
        raise ValueError(
            f"skvae.{caller} takes a fitted {', '.join(names)} or {last}, got {estimator!r}. For a "
            "pipeline, pass its step: pipeline[0]."
        )
    check_is_fitted(estimator)


def _described(estimator, state, encoder):
    """Return what a header says of an estimator, of which the encoder keeps the tensors."""
    params = estimator.get_params(deep=False) | {"callbacks": None}
    return {
        "estimator": type(estimator).__name__,
        "parameters": encoder.encode(params, "parameters"),
        "state": {name: encoder.encode(value, name) for name, value in state.items()},
    }


def _identity(estimator, X):
    """Return what a run must share with the checkpoint from which it continues."""
    params = estimator.get_params(deep=False)
    params = {name: value for name, value in params.items() if name not in _FREE_PARAMETERS}
    if not isinstance(params["random_state"], int):
        del params["random_state"]  # the seed that was drawn from it is in the checkpoint
    encoder = Encoder(SPEC_CLASSES)
    nodes = {name: encoder.encode(value, f"parameters.{name}") for name, value in params.items()}
    return {
        "parameters": {name: json.dumps(node) for name, node in nodes.items()},
        "rows": _digest(X),
        "shape": X.shape,
    }


def _digest(X):
    if isinstance(X, Source):
        return X.digest()
    return hashlib.sha256(np.ascontiguousarray(X)).hexdigest()


def _read_run(path, header, tensors):
    """Return the run in a checkpoint, with its weights and history."""
    decoder = Decoder(SPEC_CLASSES, (), tensors, builds=False)  # the parts are those of the fit
    try:
        check_header(header)
        decoder.decode(header["parameters"])
        state = {name: decoder.decode(node) for name, node in header["state"].items()}
        run = decoder.decode(header["run"])
        check_state(header["estimator"], "checkpoint", state)
        check_run(run)
        n_epochs = len(state["history"]["epoch"])
        require(n_epochs == epoch_of(path), n_epochs, "epoch", f"that of its name, {path.name!r}")
    except Exception as exc:  # as in `rebuild`
        raise unsound(path, exc) from exc
    return {**run, "weights": state["weights"], "history": state["history"]}


def _checked_start(path, run, start, identity):
    """Return where the run in a checkpoint started, if this fit could have started there."""
    seed, epochs_before = run["seed"], run["epochs_before"]
    if "random_state" in identity["parameters"] and seed != start.seed:
        raise unsound(path, f"its seed is {seed}, but that of the fit is {start.seed}")
    if epochs_before >= len(run["history"]["epoch"]):
        raise unsound(path, f"it has {epochs_before} epochs before its first one")
    return Start(seed, epochs_before)


def _check_identity(path, before, now):
    remedy = "or start anew: with resume=False, or in another folder."
    if (before["rows"], before["shape"]) != (now["rows"], now["shape"]):
        raise ValueError(
            f"{path} was written for other rows (of shape {before['shape']}) than X (of shape "
            f"{now['shape']}). Fit the same X, {remedy}"
        )
    for name, value in now["parameters"].items():
        if value != before["parameters"].get(name):
            raise ValueError(
                f"{path} was written with {name}={before['parameters'].get(name)}, but the "
                f"estimator now has {value}. Set it back, {remedy}"
            )
