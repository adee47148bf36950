"""The error of the reconstruction, relative to the norm of the row."""

from __future__ import annotations

from numbers import Real

import numpy as np
import torch
from torch import Tensor

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._scaling import LARGEST_SCALED, measure, winsorized
from skvae._validation import Interval, StrOptions
from skvae.networks._images import shape_of_rows


class RelativeError(Score):
    """Minus the squared error of the reconstruction, relative to the row's own squared norm.

    A likelihood depends on the complexity of a row as well as on its novelty: an image with few
    strokes, of a kind not seen in training, can be reconstructed with a smaller error than an image
    with many strokes of the kind seen in training. Dividing by the norm corrects for that.

    Parameters
    ----------
    origin : {"auto", "zero", "mean"}, default="auto"
        Origin of the norm: "zero" is the blank image, "mean" the mean of each feature over the
        training rows. "auto" is "zero" if all features share one scale, as pixels do, and "mean" if
        each feature has its own scale, as columns of a table do.
    floor : float, default=0.01
        Added to the squared norm, as a share of its mean over the training rows, so that the
        denominator of a row with a norm near zero is not zero.
    blur : float, default=0.0
        Standard deviation, in pixels, of a Gaussian that blurs the error of images before it is
        squared, at most 100. Without blur, a stroke that is reconstructed one pixel away from its
        place counts twice: as a missing stroke and as an additional one. Blur reduces the error
        from such shifts and from noise, but not from a missing stroke.
    image_shape : tuple of (height, width) or (height, width, colours), default=None
        Shape of the images to blur. None assumes square greyscale images.

    Notes
    -----
    With the reconstruction r at the posterior mean, the origin o and the scale s of each feature,
    the score is::

        - sum_j ((x_j - r_j) / s_j)^2 / (sum_j ((x_j - o_j) / s_j)^2 + floor * mean of that sum)

    Scales are those of :class:`~skvae.likelihoods.Gaussian` for the `scaling` of the likelihood, or
    for "auto" if the likelihood has no such parameter. A scale that all features share cancels out,
    so the score of an image can be computed from its raw pixels. The score has no unit. The blur is
    truncated at four standard deviations, and the image is padded with zeros.

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

    reads_sparse = True
    _parameter_constraints: dict = {
        "origin": [StrOptions({"auto", "zero", "mean"})],
        "floor": [Interval(Real, 0, None, closed="neither")],
        "blur": [Interval(Real, 0, 100, closed="both")],
        "image_shape": ["array-like", None],
    }

    def __init__(self, *, origin="auto", floor=0.01, blur=0.0, image_shape=None):
        self.origin = origin
        self.floor = floor
        self.blur = blur
        self.image_shape = image_shape

    def build(self, module, X, n_samples):
        statistics = measure(X, module.likelihood.scaling)
        known = {
            "scale": torch.from_numpy(statistics.scale),
            "origin": torch.from_numpy(self._origin(statistics)),
        }
        norms = _inference.evaluate(_SquaredNorm(), module, X, known, n_samples)
        usual = winsorized(norms[:, None]).mean() or 1.0
        return {**known, "floor": torch.tensor(self.floor * usual)}

    def __call__(self, module, x, known, n_samples):
        residual = (x.double() - module(x)) / known["scale"]
        residual = residual.clamp(-LARGEST_SCALED, LARGEST_SCALED)
        if self.blur:
            residual = _blurred(residual, self.blur, shape_of_rows(self, x.shape[1]))
        error = residual.square().sum(-1)
        norm = _squared_norm(x.double() - known["origin"], known["scale"])
        return -error / (norm + known["floor"])

    def shapes(self, sizes):
        return {"scale": (sizes.n_features,), "origin": (sizes.n_features,), "floor": ()}

    def _origin(self, statistics):
        origin = self.origin
        if origin == "auto":
            origin = "mean" if statistics.kind == "feature" else "zero"
        return statistics.loc if origin == "mean" else np.zeros_like(statistics.loc)


class _SquaredNorm(Score):
    """The squared norm, as a score so that it is computed in chunks of the training rows."""

    def __call__(self, module, x, known, n_samples):
        return _squared_norm(x.double() - known["origin"], known["scale"])


def _blurred(rows: Tensor, sigma: float, shape: tuple[int, int, int]) -> Tensor:
    """Convolve flattened images with a Gaussian of `sigma` pixels, padded with zeros."""
    height, width, colours = shape
    down, across = (_gaussian_filter(size, sigma).to(rows) for size in (height, width))
    images = rows.unflatten(1, (height, width * colours))
    images = (down @ images).unflatten(2, (width, colours))
    return (across @ images).flatten(1)


def _gaussian_filter(size: int, sigma: float) -> Tensor:
    """Return the matrix that convolves `size` pixels: graphs hold no convolutions of float64."""
    places = torch.arange(size, dtype=torch.float64)
    reach = int(4 * sigma + 0.5)
    whole = torch.arange(-reach, reach + 1, dtype=torch.float64)
    distances = places[:, None] - places
    weights = (-0.5 * (distances / sigma).square()).exp()
    return weights * (distances.abs() <= reach) / (-0.5 * (whole / sigma).square()).exp().sum()


def _squared_norm(deviation, scale):
    scaled = (deviation / scale).clamp(-LARGEST_SCALED, LARGEST_SCALED)
    return scaled.square().sum(-1)
