"""Display of a decoded plane of the latent space."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.special import ndtri

from skvae._validation import check_count
from skvae.plotting._class_styles import MOST_COLOURS, level_colours
from skvae.plotting._drawn_tables import (
    DrawnTables,
    array_unless_names,
    read_drawn,
    with_few_levels,
)
from skvae.plotting._figure_layout import WIDTH
from skvae.plotting._mosaic import tile_centres
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import RowsDisplay, settings_for
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import label_outer, label_values

_TITLE = "Decoded plane of the latent space"


@share_docs(default_features="the first 9")
class ManifoldDisplay(RowsDisplay):
    """The decoded plane of two latent dimensions: a grid of images, or a map of each feature.

    The grid points are quantiles of the standard normal prior [1]_, evenly spaced in probability,
    so that each represents the same share of the rows that the model expects. Maps are drawn over
    the latent plane, in the units of the feature. Maps of levels show the most probable one; of
    more than ten, the nine that cover most of the plane have colours of their own.

    Parameters
    ----------
    X_decoded : array-like or data frame of shape (n_points ** 2, n_features)
        Decoded rows, the first latent dimension varying fastest, both ascending.
    grid : array-like of shape (n_points,)
        Latent values along both dimensions.
    components : tuple of (int, int), default=(0, 1)
        The two latent dimensions, from left to right and upwards.
    {rows}

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        The panels: one for images, one for each feature of a table.
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    meshes_ : list of matplotlib QuadMesh
        The map of each feature; empty for images.

    See Also
    --------
    LatentSpaceDisplay : Rows in the latent space.
    InterpolationDisplay : Decoded lines between pairs of rows.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", figure 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import ManifoldDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = ManifoldDisplay.from_estimator(vae, n_points=5)
    >>> display.grid.round(2)
    array([-1.28, -0.52,  0.  ,  0.52,  1.28])
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
        super().__init__(kind, image_shape, features, feature_names)
        self.X_decoded = X_decoded
        self.grid = grid
        self.components = components

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
        estimator : VAETransformer, VAEAnomalyDetector or Pipeline
            Fitted estimator with at least two latent dimensions, or a Pipeline that ends in one.
        components : tuple of (int, int), default=(0, 1)
            The two latent dimensions, from left to right and upwards.
        n_points : int, default=20
            Number of points along each of them.
        z : array-like of shape (n_components,), default=None
            Latent row that the plane passes through; None uses the prior's mean, all zeros.
        {rows}
        {ax}
        {returns}
        """
        model = Opened(estimator)
        settings = settings_for(model, model.rows(), kind, image_shape, features, feature_names)
        check_count("n_points", n_points)
        grid = ndtri((np.arange(n_points) + 0.5) / n_points)
        plane = _plane(grid, components, z, model.estimator.n_components_)
        X_decoded = array_unless_names(model.named(model.estimator.inverse_transform(plane)))
        return cls(X_decoded, grid, components=components, **settings).plot(ax)

    def _draw(self, ax) -> None:
        table, grid = read_drawn(X_decoded=self.X_decoded), np.asarray(self.grid)
        [X] = table.arrays
        if len(X) != len(grid) ** 2:
            raise ValueError(
                f"'X_decoded' has {len(X)} rows for a grid of {len(grid)} points; expected "
                f"{len(grid)} times {len(grid)}."
            )
        shape = self._image_shape_of(table)
        self.image_, self.meshes_ = None, []
        if shape is None:
            self._draw_table(ax, table, grid)
        else:
            self._draw_images(ax, X, grid, shape)

    def _draw_images(self, ax, X, grid, shape) -> None:
        n_points = len(grid)
        from_the_top = X.reshape(n_points, n_points, -1)[::-1].reshape(X.shape)
        width = WIDTH - 0.6  # less the labels of the latent values
        self._draw_mosaic(ax, from_the_top, n_points, shape, _TITLE, margin=0.8, width=width)
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

    def _draw_table(self, ax, table: DrawnTables, grid) -> None:
        columns = self._make_panels(ax, self.X_decoded, _TITLE, line_height=1.5, margin=0.8)
        for panel, place in zip(self.axes_, columns, strict=True):
            column, values = with_few_levels(
                table.columns[place], table.arrays[0][:, place], MOST_COLOURS
            )
            style = level_colours(len(column.levels)) if column.family == "level" else {}
            values = values.reshape(len(grid), -1)
            mesh = panel.pcolormesh(grid, grid, values, shading="nearest", **style)
            label_values(panel.figure.colorbar(mesh, ax=panel).ax.yaxis, column)
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
