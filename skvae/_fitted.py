"""What both estimators share after fit: questions to the trained module, and saving it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture

from skvae._density import check_density_can_be_saved, draw, learned_by, restored
from skvae._files import onnx_graphs as _onnx
from skvae._files.model_file import write_file
from skvae._files.serialization import decode_net, encode_net
from skvae._files.values import Decoder, Encoder
from skvae._model import inference as _inference
from skvae._random import draw_seed, make_generator
from skvae._specs import SPEC_CLASSES
from skvae._training.fit import count_steps, history_arrays
from skvae._training.net import VAENet
from skvae._validation import check_count, check_is_fitted, check_rows, check_support
from skvae.scores._registry import SCORE_CLASSES

_KNOWN_CLASSES = (*SPEC_CLASSES, *SCORE_CLASSES, GaussianMixture)
_NOT_SAVED = ("callbacks", "checkpoint")  # belong to a training run and its machine


class FittedVAE(BaseEstimator):
    """The part of the estimators that needs no training rows."""

    _fitted_scalars: ClassVar[tuple[str, ...]] = ()  # what a subclass sets in fit, beside the net

    def reconstruct(self, X):
        """Encode and decode: E[p(x|z)] at the posterior mean of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            In the units of X.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        X = self._check_rows(X)
        return _inference.decode(self.module_, _inference.encode_mean(self.module_, X))

    def posterior(self, X):
        """Return the posterior q(z|x) of every row, a diagonal Gaussian.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        mean, std : ndarrays of shape (n_samples, n_components)
            In the units of the prior.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        X = self._check_rows(X)
        return _inference.encode(self.module_, X)

    def sample(self, n_samples=1, *, random_state=None, noise=False):
        """Draw new rows from the model.

        Parameters
        ----------
        n_samples : int, default=1
            Rows to draw.
        random_state : int, RandomState instance or None, default=None
            Decides the draws; None gives others at every call.
        noise : bool, default=False
            False returns the mean of p(x|z) for a z from the prior, or from the density that
            `fit_density` asked for: a noise-free row. True draws from p(x|z), so that the rows are
            distributed as the model says.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            In the units of X and the dtype of the training data.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `n_samples` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        seed = draw_seed(random_state)
        generator = make_generator(seed, self.device_)
        if self.density_ is None:
            Z = _inference.sample_prior(self.module_, n_samples, generator)
        else:
            Z = draw(self.density_, n_samples, seed)
        return _inference.sample(self.module_, Z.astype(self._fit_dtype), generator, noise)

    def save(self, path):
        """Save the fitted estimator in one file, from which :func:`skvae.load` brings it back.

        The file is a safetensors file: weights, parameters and fitted attributes, with a checksum.
        It holds no pickle. It is written whole or not at all.

        Parameters
        ----------
        path : str or path-like
            The file, replaced if it exists. Its usual ending is ``.skvae``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a parameter cannot be written, such as `callbacks`.
        OSError
            If the folder or the disk cannot take the file.
        """
        check_is_fitted(self)
        if self.callbacks:
            raise ValueError(
                f"{type(self).__name__} cannot be saved with callbacks={self.callbacks!r}, which "
                "belong to its training and cannot be written without pickle. Set them to None "
                "first: set_params(callbacks=None)."
            )
        check_density_can_be_saved(self.density_)
        encoder = Encoder(_KNOWN_CLASSES)
        header = self._describe(self.net_, encoder, self._fit_dtype)
        scalars = {name: getattr(self, name) for name in self._fitted_scalars}
        header |= {"kind": "model", "scalars": encoder.encode(scalars, "scalars")}
        header |= self._describe_score(encoder)
        header["density"] = encoder.encode(learned_by(self.density_), "density")
        write_file(path, header, encoder.tensors)

    def export_onnx(self, path, *, part="encoder"):
        """Write a part of the model as an ONNX graph, which needs neither Python nor torch to run.

        Takes and returns float32 in the units of X: scaling is part of the graph. Needs the
        extra `onnx`, and torch 2.6 or later.

        Parameters
        ----------
        path : str or path-like
            The file, replaced if it exists. Its usual ending is ``.onnx``.
        part : {"encoder", "decoder", "score"}, default="encoder"
            "encoder" takes `X` and returns `Z`, the posterior means that `transform` returns;
            "decoder" takes `Z` and returns `X`, as `inverse_transform` does; "score" takes `X`
            and returns `score`, as `score_samples` does, with as many samples.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If there is no such part, or the score is no quantity of the model itself.
        ImportError
            If the packages of the extra are not installed.
        OSError
            If the folder or the disk cannot take the file.
        """
        check_is_fitted(self)
        if part not in _onnx.PARTS:
            raise ValueError(f"'part' must be one of {_onnx.PARTS}, got {part!r}.")
        kind = self._exported_score() if part == "score" else ""
        _onnx.export(self.module_, path, part, kind, self.n_importance_samples)

    @property
    def module_(self):
        """The trained :class:`torch.nn.Module`: encoder, decoder, likelihood and prior."""
        return self.net_.module_

    @property
    def device_(self):
        """The device that the module lies on, as a string."""
        return str(self.net_.device)

    def _describe(self, net: VAENet, encoder: Encoder, dtype: np.dtype) -> dict[str, Any]:
        """Return the header that model files and checkpoints share."""
        params = self.get_params(deep=False) | dict.fromkeys(_NOT_SAVED)
        names = getattr(self, "feature_names_in_", None)
        return {
            "estimator": type(self).__name__,
            "parameters": encoder.encode(params, "parameters"),
            "feature_names": None if names is None else names.tolist(),
            "dtype": str(dtype),
            **encode_net(net, encoder),
        }

    @classmethod
    def _from_file(cls, header: dict[str, Any], tensors: dict, trusted) -> FittedVAE:
        """Rebuild the estimator that `save` described."""
        if cls._fitted_scalars and "scalars" not in header:
            raise ValueError(
                "it is a checkpoint of a detector, whose threshold is set when training ends; "
                "finish the fit with Checkpoint(..., resume=True)"
            )
        decoder = Decoder(_KNOWN_CLASSES, trusted, tensors)
        estimator = cls(**decoder.decode(header["parameters"]))
        estimator._validate_params()
        net = decode_net(header, decoder, estimator.device)
        estimator.n_features_in_ = net.module_.parts.n_features
        if header["feature_names"] is not None:
            estimator.feature_names_in_ = np.array(header["feature_names"], dtype=object)
        estimator._adopt(net, np.dtype(header["dtype"]))
        scalars = decoder.decode(header.get("scalars", {"dict": []}))
        for name in cls._fitted_scalars:
            setattr(estimator, name, float(scalars[name]))
        learned = decoder.decode(header.get("density"))
        estimator.density_ = restored(estimator.fit_density, learned, estimator.n_components_)
        estimator._adopt_score(header, decoder)
        return estimator

    def _adopt(self, net: VAENet, dtype: np.dtype) -> None:
        """Take a trained net for one's own, with the attributes that follow from it."""
        self.net_ = net
        self.n_components_ = net.module_.parts.n_components
        self.history_ = history_arrays(net)
        self.n_iter_ = len(net.history)
        self.n_steps_ = count_steps(net)
        self.precision_ = "float32" if net.autocast_dtype is None else "bfloat16"
        self.density_ = None
        self._fit_dtype = dtype

    def _describe_score(self, encoder: Encoder) -> dict[str, Any]:
        """Return the nodes of what a detector learned for its scores; a transformer has nothing."""
        return {}

    def _adopt_score(self, header: dict[str, Any], decoder: Decoder) -> None:
        """Take back what `_describe_score` described."""

    def _exported_score(self) -> str:
        return "log_likelihood"

    def _check_rows(self, X):
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        self._check_support(X)
        return X

    def _check_support(self, X) -> None:
        check_support(X, getattr(self.module_.likelihood, "support", None), self.likelihood)

    def _score_rows(self, X, kind: str) -> np.ndarray:
        return _inference.score(self.module_, X, kind, self.n_importance_samples)
