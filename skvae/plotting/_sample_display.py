"""Display of new rows from the model."""

from __future__ import annotations

import math

from sklearn.utils import check_array

from skvae.plotting._figure_layout import axes_to_draw_on
from skvae.plotting._rows_display import RowsDisplay, settings_for
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import FIRST_LINES, draw_distributions, standardize

_N_IMAGES, _N_TABLE_ROWS = 64, 1000


@share_docs(default_features="the first 30")
class SampleDisplay(RowsDisplay):
    """New rows from the model: images in a square, tables by the distribution of each feature.

    Each feature of a table has a line with the histogram of the data, if given, above it and that
    of the samples below it, both on one scale. The unit is the standard deviation of the data, else
    that of the samples; the outermost bars include all values beyond four standard deviations.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
        Rows.
    X : array-like of shape (n_rows, n_features), default=None
        Data to compare the samples of a table with; not used for images.
    {rows}
    source : str, default=None
        Source of the samples for the title, such as "the prior".

    Attributes
    ----------
    {axes}
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    histograms_ : list of matplotlib StepPatch
        For each feature of a table, the data, if given, then the samples; empty for images.

    See Also
    --------
    ReconstructionDisplay : Rows and their reconstructions.
    ManifoldDisplay : A decoded plane of the latent space.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import SampleDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = SampleDisplay.from_estimator(vae, n_samples=9, random_state=0)
    >>> display.samples.shape
    (9, 64)
    """

    def __init__(
        self,
        samples,
        X=None,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        source=None,
    ):
        super().__init__(kind, image_shape, features, feature_names)
        self.samples = samples
        self.X = X
        self.source = source

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        *,
        n_samples="auto",
        mean="auto",
        random_state=None,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Draw new rows from the model and show them.

        Parameters
        ----------
        {estimator}
        X : array-like of shape (n_rows, n_features), default=None
            Data to compare the samples of a table with; not used for images.
        n_samples : int or "auto", default="auto"
            Number of rows; "auto" draws 64 images or 1,000 rows of a table.
        mean : bool or "auto", default="auto"
            Whether to show means of p(x|z) or draws from it, as in the estimator's `sample`. "auto"
            shows means of images, and draws the rows of a table, so that they vary as data do.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the draws.
        {rows}
        {ax}
        {returns}
        """
        settings = settings_for(estimator, X, kind, image_shape, features, feature_names)
        is_table = settings["kind"] == "table"
        if n_samples == "auto":
            n_samples = _N_TABLE_ROWS if is_table else _N_IMAGES
        if mean == "auto":
            mean = not is_table
        samples = estimator.sample(n_samples, random_state=random_state, mean=mean)
        return cls(samples, X, source="the prior", **settings).plot(ax)

    def _draw(self, ax) -> None:
        samples = check_array(self.samples)
        shape = self._image_shape_of(samples)
        self.image_, self.histograms_ = None, []
        if shape is None:
            self._draw_table(ax, samples)
        else:
            self._draw_images(ax, samples, shape)

    def _draw_images(self, ax, samples, shape) -> None:
        n_columns = math.ceil(math.sqrt(len(samples)))
        title = self._description(samples)
        self._draw_mosaic(ax, samples, n_columns, shape, title, margin=0.4)

    def _draw_table(self, ax, samples) -> None:
        tables, title = [samples], self._description(samples)
        if self.X is not None:
            tables = [_checked_data(self.X, samples.shape[1]), samples]
            title = "Data (above) and samples (below)"
        columns, names, note = self._choose_features(self.samples, FIRST_LINES)
        tables = [table[:, columns] for table in tables]
        tables = [standardize(table, like=tables[0]) for table in tables]
        self.ax_ = axes_to_draw_on(ax, height=1.1 + 0.26 * len(columns))
        self.histograms_ = draw_distributions(self.ax_, tables, names)
        self.ax_.set(xlabel="standard deviations from the mean", title=title + note)

    def _description(self, samples) -> str:
        return f"{len(samples)} samples" + (f" from {self.source}" if self.source else "")


def _checked_data(X, n_features: int):
    X = check_array(X)
    if X.shape[1] != n_features:
        raise ValueError(
            f"'X' has {X.shape[1]} features, the samples have {n_features}. Pass data with the "
            "features that the estimator was fitted with."
        )
    return X
