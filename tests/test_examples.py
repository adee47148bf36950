"""The pages of the gallery run, write only to their output folder, and print plausible figures.

Their short forms need no data sets; the full forms run on a part of the images. All are marked slow
but a page that writes files and one on a table.
"""

import os
import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.utils import Bunch

from docs.sphinxext import gallery_order, short_form
from skvae import datasets

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Return a function that runs an example in an empty folder and returns its results."""

    def run(name, form="short"):
        if form == "short":
            monkeypatch.setenv("SKVAE_DATA", str(tmp_path))
            short_form.reset({}, name, "before")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(plt, "show", lambda: None)
        runpy.run_path(str(EXAMPLES / f"plot_{name}.py"), run_name="__main__")
        return Bunch(
            printed=capsys.readouterr().out,
            n_figures=len(plt.get_fignums()),
            files=sorted(path for path in tmp_path.rglob("*") if path.is_file()),
        )

    plt.close("all")
    yield run
    plt.close("all")
    short_form.reset({}, "", "after")


@pytest.fixture
def part_of_mnist(mnist, monkeypatch):
    """Make the examples fetch every tenth training image and every fourth test image of MNIST."""
    steps = {"train": 10, "test": 4}
    fetch = datasets.fetch_mnist

    def fetch_part(*, subset, return_X_y=False, **options):
        rows = slice(None, None, steps[subset])
        X, y = fetch(subset=subset, return_X_y=True, **options)
        return (X[rows], y[rows]) if return_X_y else Bunch(data=X[rows], target=y[rows])

    monkeypatch.setattr(datasets, "fetch_mnist", fetch_part)


def numbers(label, text):
    """Return the decimal numbers of the only line that begins with the label."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(label))
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line)]


def test_every_page_has_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    names = [path.stem.removeprefix("plot_") for path in EXAMPLES.glob("plot_*.py")]
    assert sorted(names, key=gallery_order.TablesFirst("")) == list(gallery_order.ORDER)
    assert [name for name in names if f'run("{name}")' not in source] == []


def test_the_letters_of_the_short_form_are_legible():
    few = short_form.letters("train")
    assert sorted(set(few.target)) == list(range(26))
    assert few.data.max(axis=1).min() > 0.3
    distances = {
        letter: np.linalg.norm(few.data[few.target == letter].mean(axis=0) - few.data, axis=1)
        for letter in range(26)
    }
    nearest = np.argmin(list(distances.values()), axis=0)
    assert (nearest == few.target).mean() > 0.6


@pytest.mark.slow
def test_the_letters_page_compares_five_uses_with_pca(run):
    page = run("emnist_letters")
    assert (page.n_figures, page.files) == (3, [])
    (pca,), (vae,) = (numbers(f"AUROC of {name}", page.printed) for name in ("PCA", "VAE"))
    assert 0.5 < min(pca, vae) <= 1
    for name in ("PCA", "VAE"):
        (error,) = numbers(f"{name}: 196 bytes to 32", page.printed)
        accuracy, nmi = numbers(f"{name}: accuracy", page.printed)
        assert 0 < error < 0.1
        assert 0.7 < accuracy < 1
        assert 0.3 < nmi < 1
    assert "Letters in the fonts of matplotlib in place of EMNIST" in page.printed


@pytest.mark.slow
def test_the_loss_of_binary_digits_is_cross_entropy_plus_kl(run):
    page = run("binary_mnist")
    assert (page.n_figures, page.files) == (4, [])
    for name in ("train", "valid"):
        loss, cross_entropy, kl = numbers(f"{name}  loss", page.printed)
        assert loss == pytest.approx(cross_entropy + kl, abs=0.02)
        assert 1 < kl < cross_entropy < 196 * 0.3


@pytest.mark.slow
def test_samples_are_written_and_score_worse_than_test_images(run):
    page = run("mnist_samples")
    names = [path.name for path in page.files]
    assert all("examples-output" in path.parts for path in page.files)
    assert sum(name.startswith("sample-") for name in names) == 100
    assert sum(name.endswith(".skvae") for name in names) == 5
    real_score, real_distance = numbers("test images", page.printed)
    score, distance = numbers("samples", page.printed)
    assert 1 < score < real_score <= 10
    assert 0 < real_distance < distance


@pytest.mark.slow
def test_the_bound_of_unseen_digits_increases_with_the_draws(run):
    page = run("mnist_unseen")
    assert (page.n_figures, page.files) == (3, [])
    (seen, _), (unseen, _) = (
        numbers(f"{name}  ELBO", page.printed) for name in ("training", "test    ")
    )
    log_likelihood, standard_error = numbers("test      log-likelihood", page.printed)
    assert unseen < log_likelihood < 0
    assert abs(seen - unseen) < 10 * standard_error


@pytest.mark.slow
def test_two_latent_dimensions_separate_digits_better_than_pca(run):
    page = run("convolutional_map")
    assert (page.n_figures, page.files) == (3, [])
    (pca,), (vae,) = (numbers(name, page.printed) for name in ("PCA", "VAE"))
    assert 0.5 < pca < vae - 0.05


def test_outliers_in_a_table_are_flagged_with_few_false_alarms(run):
    page = run("table_outliers")
    assert (page.n_figures, page.files) == (3, [])
    (precision,), (recall,), (false_alarms,) = (
        numbers(name, page.printed) for name in ("precision", "recall", "false alarms")
    )
    assert precision > 0.9
    assert recall > 0.7
    assert false_alarms < 0.15
    (forest,), (local_outlier_factor,), (vae,) = (
        numbers(f"AUROC of {name}", page.printed)
        for name in ("IsolationForest", "LocalOutlierFactor", "VAEAnomalyDetector")
    )
    assert min(forest, local_outlier_factor, vae) > 0.9
    assert vae > forest - 0.01


@pytest.mark.slow
def test_few_labels_and_many_rows_beat_labels_alone(run):
    page = run("few_labels")
    assert (page.n_figures, page.files) == (2, [])
    for n_labels in (20, 50, 200):
        alone, spread, vae = (
            numbers(f"{n_labels} labels, {name}: accuracy", page.printed)[0]
            for name in ("logistic regression", "label spreading", "VAEClassifier")
        )
        assert max(alone, spread) < vae <= 1
    of_class = [numbers(f"draws of {k} classified as {k}:", page.printed)[0] for k in (8, 0, 3, 5)]
    assert np.mean(of_class) > 0.9
    (found,) = numbers("share found by their likelihood:", page.printed)
    assert found > 0.7


@pytest.mark.slow
def test_a_table_is_copied(run):
    page = run("table_copy")
    assert (page.n_figures, page.files) == (2, [])
    (shape,), (trend,), (c2st,) = (
        numbers(name, page.printed) for name in ("columns ", "pairs of columns", "rows ")
    )
    assert min(shape, trend) > 0.9
    assert c2st > 0.7
    copied, real = numbers("AUROC", page.printed)
    assert copied > real - 0.05
    (share,) = numbers("nearer to training rows", page.printed)
    assert abs(share - 0.5) < 0.05
    for name, tolerance in (("median orders", 1), ("median spent", 50)):
        real, drawn = numbers(name, page.printed)
        assert drawn == pytest.approx(real, abs=tolerance)


@pytest.mark.slow
def test_gaps_are_filled_better_than_by_neighbours_and_intervals_cover_the_truth(run):
    page = run("imputation")
    assert (page.n_figures, page.files) == (2, [])
    (mean,), (neighbours,), (vae,) = (
        numbers(f"{name} fill of digits", page.printed) for name in ("mean", "neighbours", "VAE")
    )
    assert vae < 0.95 * neighbours < 0.95 * mean
    (mean,), (vae,) = (
        numbers(f"{name} fill of the table", page.printed) for name in ("mean", "VAE")
    )
    assert vae < 0.6 * mean
    (coverage,) = numbers("mean coverage", page.printed)
    assert 0.9 < coverage <= 1
    (whole,), (holes,), (means,), (imputer,) = (
        numbers(f"accuracy, {name}", page.printed)
        for name in ("whole", "images with holes", "filled by means", "filled by imputer")
    )
    assert max(holes, means) < imputer < whole <= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*other data than the official EMNIST:UserWarning")
def test_letters_are_distinguished_and_compressed_better_than_by_pca(run, part_of_mnist):
    if not (Path(os.environ["SKVAE_DATA"]).expanduser() / "emnist").is_dir():
        pytest.skip("the environment variable SKVAE_DATA names no folder with emnist/")
    printed = run("emnist_letters", form="full").printed
    (pca,), (vae,) = (numbers(f"AUROC of {name}", printed) for name in ("PCA", "VAE"))
    assert vae > pca + 0.05
    (pca,), (vae,) = (numbers(f"{name}: 784 bytes to 32", printed) for name in ("PCA", "VAE"))
    assert vae < 0.8 * pca


@pytest.mark.slow
def test_binary_digits_are_reconstructed_better_than_by_pca(run, part_of_mnist):
    printed = run("binary_mnist", form="full").printed
    (pca,), (vae,) = (numbers(name, printed) for name in ("PCA", "VAE"))
    assert vae < 0.8 * pca


@pytest.mark.slow
def test_samples_are_distinct_and_diverse_digits(run, part_of_mnist):
    page = run("mnist_samples", form="full")
    score, _ = numbers("samples", page.printed)
    assert 5 < score < 10


@pytest.mark.slow
def test_unseen_digits_are_reconstructed_better_than_by_pca(run, part_of_mnist):
    pca, vae = numbers("test      RMSE", run("mnist_unseen", form="full").printed)
    assert vae < 0.9 * pca


@pytest.mark.slow
def test_a_map_of_mnist_separates_digits_better_than_pca(run, part_of_mnist):
    printed = run("convolutional_map", form="full").printed
    (pca,), (vae,) = (numbers(name, printed) for name in ("PCA", "VAE"))
    assert vae > pca + 0.1


@pytest.mark.slow
def test_a_nonlinear_map_of_signals_beats_pca_and_tumours_need_none(run):
    page = run("table_embedding")
    assert (page.n_figures, page.files) == (1, [])
    (pca,), (vae,), (whole,) = (
        numbers(name, page.printed)
        for name in ("PCA           2", "VAE           2", "all columns")
    )
    assert whole < vae < 0.7 * pca
    (pca,), (vae,) = (numbers(f"{name}  accuracy", page.printed) for name in ("PCA", "VAE"))
    assert min(pca, vae) > 0.9


@pytest.mark.slow
def test_faults_in_the_windows_of_a_sensor_are_found(run):
    page = run("sensor_windows")
    assert (page.n_figures, page.files) == (3, [])
    found, of = map(int, re.search(r"(\d+) of (\d+) faults are flagged", page.printed).groups())
    alarms, days = map(int, re.search(r"(\d+) of (\d+) other days", page.printed).groups())
    assert found > 0.7 * of
    assert alarms < 0.05 * days
    *others, vae = (
        numbers(f"AUROC of {name}", page.printed)[0]
        for name in ("IsolationForest", "LocalOutlierFactor", "PCA", "VAEAnomalyDetector")
    )
    assert max(others) < vae


@pytest.mark.slow
def test_spectra_are_denoised_and_contamination_is_located(run):
    page = run("spectra")
    assert (page.n_figures, page.files) == (2, [])
    errors = [float(line.split()[-1]) for line in page.printed.splitlines() if "  error " in line]
    assert min(errors) == errors[-1]
    *others, vae = (
        numbers(f"AUROC of {name}", page.printed)[0]
        for name in ("IsolationForest", "PCA, 3 ", "PCA, 10 ", "VAE")
    )
    assert max(others) < vae - 0.1
    assert abs(int(re.search(r"most unusual at (\d+) nm", page.printed)[1]) - 500) < 12


@pytest.mark.slow
def test_texts_of_a_package_lie_together(run):
    page = run("word_counts")
    assert (page.n_figures, page.files) == (1, [])
    *others, vae = (
        numbers(f"{name}  ", page.printed)[0]
        for name in ("SVD          ", "SVD of TF-IDF", "topics (LDA)", "VAE")
    )
    assert max(others) < vae - 0.1
    similar = re.search(r"signal.butter: (.*)", page.printed)[1]
    assert similar.count("signal.") >= 3


@pytest.mark.slow
def test_twice_as_many_rows_on_disk_take_little_more_memory(run):
    page = run("rows_on_disk")
    assert (page.n_figures, page.files) == (1, [])
    half, whole = (int(peak) for peak in re.findall(r"rows  peak of (\d+) MB", page.printed))
    assert half < whole * 1.1 < 1.25 * half
    assert whole < int(re.search(r"(\d+) MB if it were", page.printed)[1]) / 2


@pytest.mark.slow
def test_mistakes_in_a_file_are_flagged_and_explained(run):
    page = run("csv_outliers")
    assert page.n_figures == 2
    found, of = map(int, re.search(r"(\d+) of (\d+) mistakes", page.printed).groups())
    alarms, rows = map(int, re.search(r"(\d+) of (\d+) other rows", page.printed).groups())
    assert found > 0.7 * of
    assert alarms < 0.03 * rows
    for column in ("returned", "spent", "joined"):
        assert re.search(rf"row \d+: {column} = \S+, expected ", page.printed)
