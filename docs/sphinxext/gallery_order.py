"""The order of the pages of the gallery: tables and sensors before images."""

from __future__ import annotations

ORDER = (
    "csv_outliers",
    "table_copy",
    "table_embedding",
    "imputation",
    "sensor_windows",
    "spectra",
    "table_outliers",
    "word_counts",
    "rows_on_disk",
    "few_labels",
    "emnist_letters",
    "convolutional_map",
    "mnist_samples",
    "mnist_unseen",
    "binary_mnist",
)


class TablesFirst:
    """Sort key of sphinx-gallery."""

    def __init__(self, src_dir: str):
        self.src_dir = src_dir

    def __call__(self, filename: str) -> int:
        """Return the place of a page, whose absence from the list is an error."""
        return ORDER.index(filename.removeprefix("plot_").removesuffix(".py"))
