"""Searches and scoring on the engines that users run already: joblib's backends, dask and ray."""

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP
from tests.helpers import FEW_TREES

X = load_iris().data
FRAME = pd.DataFrame(X, columns=list("abcd"))


def search():
    vae = VAETransformer(network=MLP(hidden_layer_sizes=(16,)), max_epochs=3, random_state=0)
    return GridSearchCV(vae, {"n_components": [1, 2, 3]}, cv=3)


def assert_same_results(found):
    with joblib.parallel_config("loky", n_jobs=2):
        expected = search().fit(X).cv_results_
    for name in ("split0_test_score", "split1_test_score", "split2_test_score"):
        assert_allclose(found.cv_results_[name], expected[name], rtol=1e-9)
    assert_array_equal(found.cv_results_["rank_test_score"], expected["rank_test_score"])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector, and the path of its file, which every worker can read."""
    detector = VAEAnomalyDetector(2, anomaly_score=FEW_TREES, max_epochs=3, random_state=0)
    path = tmp_path_factory.mktemp("model") / "detector.skvae"
    skvae.save(detector.fit(FRAME), path)
    return detector, path


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed", reason="the package distributed is missing")
    with distributed.Client(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as client:
        yield client


@pytest.mark.slow
@pytest.mark.usefixtures("dask_client")
@pytest.mark.filterwarnings("ignore::UserWarning:distributed")
def test_a_search_on_dask_gives_the_results_of_one_on_loky():
    with joblib.parallel_config("dask"):
        found = search().fit(X)
    assert_same_results(found)


@pytest.mark.slow
@pytest.mark.usefixtures("dask_client")
def test_a_saved_model_scores_the_partitions_of_a_dask_frame(model):
    dataframe = pytest.importorskip("dask.dataframe")
    detector, path = model

    def scores(part):
        return pd.Series(skvae.load(path).score_samples(part), part.index)

    parts = dataframe.from_pandas(FRAME, npartitions=3)
    found = parts.map_partitions(scores, meta=(None, float)).compute()
    assert_allclose(found, detector.score_samples(FRAME), rtol=1e-9)


@pytest.fixture(scope="module")
def ray_cluster():
    ray = pytest.importorskip("ray", reason="the package ray is missing")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.filterwarnings("ignore")
def test_a_search_on_ray_gives_the_results_of_one_on_loky():
    from ray.util.joblib import register_ray

    register_ray()
    with joblib.parallel_config("ray"):
        found = search().fit(X)
    assert_same_results(found)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.filterwarnings("ignore")
def test_a_saved_model_scores_the_blocks_of_a_ray_dataset(model):
    data = pytest.importorskip("ray.data")
    detector, path = model

    def scores(part):
        return {"score": skvae.load(path).score_samples(part)}

    scored = data.from_pandas(FRAME).repartition(3).map_batches(scores, batch_format="pandas")
    found = scored.to_pandas()["score"]
    assert_allclose(np.sort(found), np.sort(detector.score_samples(FRAME)), rtol=1e-9)
