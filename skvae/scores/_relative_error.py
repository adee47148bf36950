"""The error of the reconstruction, measured by how much there is to reconstruct."""

from __future__ import annotations

from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._validation import Interval, StrOptions
from skvae.networks._images import shape_of_rows
from skvae.scores._residuals import measured, scaled_residual


class RelativeError(Score):
    """Minus the squared error of the reconstruction, relative to the row's own squared norm.

    A likelihood ranks by complexity as well as by strangeness: a simple image of another kind is
    reconstructed better than a rich one of the kind in training. Dividing by the norm
    corrects for that.

    Parameters
    ----------
    origin : {"auto", "zero", "mean"}, default="auto"
        What the norm is measured from: "zero", the blank image; or "mean", of each feature in
        training. "auto" is "zero" where all features share one scale, as pixels do, and "mean"
        where each is measured in its own, as columns of a table want.
    floor : float, default=0.01
        What is added to the norm, as a share of its mean over the training rows, so that a row
        with hardly a norm is not divided by nothing.
    blur : float, default=0.0
        Standard deviation, in pixels, of a Gaussian that blurs the error of images before it is
        squared. A stroke that lies beside its place by a pixel is an error of twice its norm,
        though any hand may have drawn it so: blurring forgives that, and noise, but no stroke that
        is missing.
    image_shape : tuple of (height, width) or (height, width, colours), default=None
        Shape of the images to blur; None takes them for square and grey.

    Notes
    -----
    With the reconstruction r at the posterior mean, the origin o and the scale s of each feature::

        - sum_j ((x_j - r_j) / s_j)^2 / (sum_j ((x_j - o_j) / s_j)^2 + floor * mean of that sum)

    Scales are those of :class:`~skvae.likelihoods.Gaussian` for the `scaling` of the likelihood, or
    for "auto" where the likelihood has no such choice. One that all features share cancels out: of
    images, numerator and denominator are those of the raw pixels. The score has no unit. The blur
    ends after four standard deviations and sees zeros around the image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.scores import RelativeError
    >>> X, y = load_digits(return_X_y=True)
    >>> detector = VAEAnomalyDetector(anomaly_score=RelativeError(), max_epochs=10, random_state=0)
    >>> scores = detector.fit(X[y == 0]).score_samples(X)
    >>> bool(scores[y == 0].mean() > scores[y == 1].mean())
    True
    """

    _parameter_constraints: dict = {
        "origin": [StrOptions({"auto", "zero", "mean"})],
        "floor": [Interval(Real, 0, None, closed="neither")],
        "blur": [Interval(Real, 0, None, closed="left")],
        "image_shape": ["array-like", None],
    }

    def __init__(self, *, origin="auto", floor=0.01, blur=0.0, image_shape=None):
        self.origin = origin
        self.floor = floor
        self.blur = blur
        self.image_shape = image_shape

    def build(self, module, X, n_samples):
        statistics = measured(module, X)
        known = {
            "scale": torch.from_numpy(statistics.scale),
            "origin": torch.from_numpy(self._origin(statistics)),
        }
        norms = _inference.evaluate(_SquaredNorm(), module, X, known, n_samples)
        return {**known, "floor": torch.tensor(self.floor * (norms.mean() or 1.0))}

    def __call__(self, module, x, known, n_samples):
        residual = scaled_residual(module, x, known["scale"])
        if self.blur:
            residual = _blurred(residual, self.blur, shape_of_rows(self, x.shape[1]))
        error = residual.square().sum(-1)
        norm = _squared_norm(x.double() - known["origin"], known["scale"])
        return -error / (norm + known["floor"])

    def shapes(self, parts):
        return {"scale": (parts.n_features,), "origin": (parts.n_features,), "floor": ()}

    def _origin(self, statistics):
        origin = self.origin
        if origin == "auto":
            origin = "mean" if statistics.kind == "feature" else "zero"
        return statistics.loc if origin == "mean" else np.zeros_like(statistics.loc)


class _SquaredNorm(Score):
    """The denominator, as a score of its own to be taken over the training rows."""

    def __call__(self, module, x, known, n_samples):
        return _squared_norm(x.double() - known["origin"], known["scale"])


def _blurred(rows: Tensor, sigma: float, shape: tuple[int, int, int]) -> Tensor:
    """Convolve flattened images with a Gaussian of so many pixels, with zeros around them."""
    height, width, colours = shape
    reach = int(4 * sigma + 0.5)
    weights = (-0.5 * (torch.arange(-reach, reach + 1).to(rows) / sigma).square()).exp()
    weights = (weights / weights.sum())[None, None, None]  # (1, 1, 1, 2 * reach + 1)
    planes = rows.view(-1, height, width, colours).movedim(3, 1).reshape(-1, 1, height, width)
    planes = conv2d(planes, weights, padding=(0, reach))
    planes = conv2d(planes, weights.mT, padding=(reach, 0))
    return planes.view(-1, colours, height, width).movedim(1, 3).flatten(1)


def _squared_norm(deviation, scale):
    return (deviation / scale).square().sum(-1)
