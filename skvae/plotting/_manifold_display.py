"""The display of what a model decodes from a plane of its latent space."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.special import ndtri
from sklearn.utils import check_array

from skvae._validation import check_count
from skvae.plotting._decoding import decode
from skvae.plotting._figure_layout import WIDTH, axes_to_draw_on
from skvae.plotting._mosaic import draw_mosaic, mosaic_height, tile_centres
from skvae.plotting._rows_display import (
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)
from skvae.plotting._table_panels import MOST_PANELS, feature_panels, label_outer, panel_lines


class ManifoldDisplay:
    """The decoded plane of two latent dimensions: a grid of images, or a map of each feature.

    The points of the grid are quantiles of the standard normal prior, evenly spaced in probability:
    each stands for the same share of the rows that the model expects. Maps are drawn over the
    latent plane itself, in the units of the feature.

    Parameters
    ----------
    X_decoded : array-like of shape (n_points ** 2, n_features)
        Decoded rows; along the first latent dimension first, both ascending.
    grid : array-like of shape (n_points,)
        Latent values along both dimensions.
    components : tuple of (int, int), default=(0, 1)
        The two latent dimensions, from left to right and upwards.
    kind : {"auto", "image", "table"}, default="auto"
        What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.
    features : list of int or str, default=None
        Features of a table to show; None shows the first 9.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features of a table; None calls them "x0", "x1", ….

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture; for a table the frame of its panels.
    axes_ : ndarray of matplotlib Axes
        The panels: one for images, one for each feature of a table.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    meshes_ : list of matplotlib QuadMesh
        The map of each feature; empty for images.

    See Also
    --------
    LatentSpaceDisplay : Where rows lie in the latent space.
    InterpolationDisplay : What lies between two rows.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", figure 4.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import ManifoldDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = ManifoldDisplay.from_estimator(vae, n_points=5)
    >>> display.grid.round(2)
    array([-1.28, -0.52,  0.  ,  0.52,  1.28])
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        X_decoded,
        grid,
        *,
        components=(0, 1),
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        self.X_decoded = X_decoded
        self.grid = grid
        self.components = components
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        components=(0, 1),
        n_points=20,
        z=None,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Decode the plane and draw it.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted, with two latent dimensions or more.
        components : tuple of (int, int), default=(0, 1)
            The two latent dimensions, from left to right and upwards.
        n_points : int, default=20
            Points along each of them.
        z : array-like of shape (n_components,), default=None
            A latent row that the plane passes through; None is the prior's mean, all zeros.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        features : list of int or str, default=None
            Features of a table to show; None shows the first 9.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features of a table; None takes those of the estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : ManifoldDisplay
            With what was drawn.
        """
        kind = settled_kind(estimator, kind, image_shape)
        check_count("n_points", n_points)
        grid = ndtri((np.arange(n_points) + 0.5) / n_points)
        if feature_names is None:
            feature_names = feature_names_of(None, estimator)
        display = cls(
            decode(estimator, _plane(grid, components, z, estimator.n_components_)),
            grid,
            components=components,
            kind=kind,
            image_shape=image_shape,
            features=features,
            feature_names=feature_names,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : ManifoldDisplay
            With `ax_`, `axes_`, `figure_`, `image_` and `meshes_` set.
        """
        X, grid = check_array(self.X_decoded), np.asarray(self.grid)
        if len(X) != len(grid) ** 2:
            raise ValueError(
                f"'X_decoded' has {len(X)} rows for a grid of {len(grid)} points; expected "
                f"{len(grid)} times {len(grid)}."
            )
        shape = image_shape_of(X, self.kind, self.image_shape)
        self.image_, self.meshes_ = None, []
        if shape is None:
            self._plot_table(ax, X, grid)
        else:
            self._plot_images(ax, X, grid, shape)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, ax, X, grid, shape) -> None:
        n_points = len(grid)
        from_the_top = X.reshape(n_points, n_points, -1)[::-1].reshape(X.shape)
        height = mosaic_height(n_points, n_points, shape, WIDTH - 0.6)
        self.ax_ = axes_to_draw_on(ax, height + 0.8)
        self.axes_ = np.array([self.ax_])
        self.image_ = draw_mosaic(self.ax_, from_the_top, n_points, shape)
        self.ax_.set_title("Decoded plane of the latent space")
        self._mark_latent_values(grid, shape)

    def _mark_latent_values(self, grid, shape) -> None:
        values = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(grid[0], grid[-1])
        values = values[(values >= grid[0]) & (values <= grid[-1])]
        columns, lines = (tile_centres(len(grid), size) for size in (shape[1], shape[0]))
        labels = [f"{value:g}".replace("-", "−") for value in values]
        self.ax_.set_xticks(np.interp(values, grid, columns), labels)
        self.ax_.set_yticks(np.interp(values, grid, lines[::-1]), labels)
        across, upwards = self.components
        self.ax_.set(xlabel=f"latent dimension {across}", ylabel=f"latent dimension {upwards}")

    def _plot_table(self, ax, X, grid) -> None:
        columns, names, note = choose_features(
            self.X_decoded, self.features, self.feature_names, MOST_PANELS
        )
        self.ax_ = axes_to_draw_on(ax, height=0.8 + 1.5 * panel_lines(len(names)))
        self.ax_.set_title(f"Decoded plane of the latent space{note}")
        self.axes_ = feature_panels(self.ax_, names)
        for panel, values in zip(self.axes_, X[:, columns].T, strict=True):
            mesh = panel.pcolormesh(grid, grid, values.reshape(len(grid), -1), shading="nearest")
            panel.figure.colorbar(mesh, ax=panel)
            self.meshes_.append(mesh)
        label_outer(self.axes_, *(f"dimension {component}" for component in self.components))


def _plane(grid: np.ndarray, components, z, n_components: int) -> np.ndarray:
    """Return the latent rows of the grid, the first of the two components varying fastest."""
    across, upwards = _checked_components(components, n_components)
    z = np.zeros(n_components) if z is None else np.asarray(z, dtype=np.float64)
    if z.shape != (n_components,):
        raise ValueError(
            f"'z' has shape {z.shape}; expected ({n_components},), one value for each latent "
            "dimension."
        )
    Z = np.tile(z, (len(grid) ** 2, 1))
    Z[:, across], Z[:, upwards] = np.tile(grid, len(grid)), np.repeat(grid, len(grid))
    return Z


def _checked_components(components, n_components: int) -> tuple[int, int]:
    pair = tuple(components)
    if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= i < n_components for i in pair):
        raise ValueError(
            f"'components' must be two different latent dimensions from 0 to {n_components - 1}, "
            f"got {components!r}."
            + (" A model of one dimension has no plane." if n_components == 1 else "")
        )
    return pair
