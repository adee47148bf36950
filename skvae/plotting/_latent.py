"""The display of the latent space as a map."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skvae.plotting._figure import INLIER_COLOUR, axes_to_draw_on


class LatentSpaceDisplay:
    """Rows in the latent plane, coloured by class.

    More than two latent dimensions are projected onto their first two principal components, which
    the axes' labels say.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_components)
        Latent rows, such as `transform` returns.
    y : array-like of shape (n_samples,), default=None
        Classes to colour by.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure of the axes.
    scatters_ : list of matplotlib PathCollection
        The points, class by class.
    points_ : ndarray of shape (n_samples, 2)
        What was drawn.

    See Also
    --------
    ReconstructionDisplay : Images and what the model makes of them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(vae, X, y)
    >>> len(display.scatters_)  # one for each class
    3
    >>> plt.close(display.figure_)
    """

    def __init__(self, Z, y=None):
        self.Z = Z
        self.y = y

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None):
        """Embed rows and draw them.

        Parameters
        ----------
        estimator : VAETransformer
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            Classes to colour by.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : LatentSpaceDisplay
            With what was drawn.
        """
        return cls(estimator.posterior(X)[0], y).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : LatentSpaceDisplay
            With `ax_`, `figure_`, `scatters_` and `points_` set.
        """
        self.points_, names = _plane(check_array(self.Z))
        self.ax_ = axes_to_draw_on(ax, figsize=(6.0, 5.0))
        self.figure_ = self.ax_.figure
        self.ax_.set(xlabel=names[0], ylabel=names[1], title="Latent space")
        self.scatters_ = self._scatter_classes()
        return self

    def _scatter_classes(self) -> list:
        style = {"s": 9, "linewidths": 0, "alpha": 0.8}
        if self.y is None:
            return [self.ax_.scatter(*self.points_.T, color=INLIER_COLOUR, **style)]
        y = column_or_1d(self.y)
        check_consistent_length(self.points_, y)
        classes = np.unique(y)
        colours = plt.colormaps["turbo"](np.linspace(0.04, 0.96, len(classes)))
        scatters = [
            self.ax_.scatter(*self.points_[y == label].T, color=colour, label=str(label), **style)
            for label, colour in zip(classes, colours, strict=True)
        ]
        self.figure_.legend(
            loc="outside right center", frameon=False, markerscale=2.5, handletextpad=0.1
        )
        return scatters


def _plane(Z: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Return two coordinates a row, and what they are."""
    if Z.shape[1] == 1:
        return np.column_stack([Z[:, 0], np.zeros(len(Z))]), ("latent dimension 0", "")
    if Z.shape[1] == 2:
        return Z, ("latent dimension 0", "latent dimension 1")
    plane = PCA(2, random_state=0).fit(Z)
    shares = plane.explained_variance_ratio_
    names = [
        f"component {i} of {Z.shape[1]} dimensions (PCA, {share:.0%} of the variance)"
        for i, share in enumerate(shares, start=1)
    ]
    return plane.transform(Z), (names[0], names[1])
