"""The example service answers every HTTP request with the scores or with the reason for none."""

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.utils import Bunch

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP

SERVICE = Path(__file__).parents[1] / "examples" / "service.py"
HOST = "127.0.0.1"
PATIENCE = 60  # seconds, for what should take a few
MAX_BYTES = 2**20  # as in the service
RTOL = 1e-13  # the last bits depend on how many rows are multiplied at once
N_CLIENTS, BAD_SHARE = 16, 0.05

pytestmark = pytest.mark.skipif(
    not (find_spec("fastapi") and find_spec("uvicorn")),
    reason="the service needs fastapi and uvicorn: pip install 'skvae[service]'",
)


def quick(estimator_class=VAEAnomalyDetector, **changes):
    return estimator_class(
        2, network=MLP(hidden_layer_sizes=(16,)), max_epochs=2, random_state=0, **changes
    )


@contextmanager
def serve(model, folder, *options):
    """Run the service of a model until the block ends, then end it with SIGTERM."""
    path, log = folder / "model.skvae", folder / "log"
    skvae.save(model, path)
    port = free_port()
    command = [sys.executable, str(SERVICE), str(path), "--port", str(port), *options]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_until_healthy(process, port, log)
        yield port
        process.terminate()
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()  # does nothing if it has ended
        process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def wait_until_healthy(process, port, log):
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            assert request(port, "GET", "/health").status == 200
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the service did not start:\n{log.read_text()}")


def connect(port):
    return closing(HTTPConnection(HOST, port, timeout=PATIENCE))


def send(connection, method, path, body=None):
    """Send one request and return status, headers and JSON of the response."""
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    return Bunch(status=response.status, headers=response.headers, **answer)


def request(port, method, path, body=None):
    with connect(port) as connection:
        return send(connection, method, path, body)


def score(port, rows):
    return request(port, "POST", "/score", json.dumps({"rows": rows}))


def exchange(port, sent):
    """Send bytes that no HTTP client would send, and return the response."""
    with socket.create_connection((HOST, port), PATIENCE) as client:
        client.sendall(sent)
        return client.recv(65536).decode()


@pytest.fixture(scope="module")
def iris():
    pytest.importorskip("pandas", reason="names of features come with a DataFrame")
    return load_iris(as_frame=True).data


@pytest.fixture(scope="module")
def detector(iris):
    return quick().fit(iris)


@pytest.fixture(scope="module")
def port(detector, tmp_path_factory):
    with serve(detector, tmp_path_factory.mktemp("service")) as port:
        yield port


def test_health_describes_the_model(port, iris):
    health = request(port, "GET", "/health")
    assert health.model == "VAEAnomalyDetector"
    assert health.n_features == 4
    assert health.feature_names == [*iris.columns]
    assert health.version == skvae.__version__


def test_scores_agree_with_the_detector(port, iris, detector):
    answer = score(port, iris.to_numpy().tolist())
    assert answer.status == 200
    assert_allclose(answer.scores, detector.score_samples(iris), rtol=RTOL)
    assert_array_equal(answer.is_outlier, detector.predict(iris) == -1)
    assert 0 < sum(answer.is_outlier) < len(iris)


def test_a_row_has_the_same_score_in_any_batch(port, iris, detector):
    alone = [score(port, [row]).scores[0] for row in iris.to_numpy()[:10].tolist()]
    assert_allclose(alone, detector.score_samples(iris)[:10], rtol=RTOL)


def test_rows_may_be_objects_in_any_order(port, iris):
    rows = iris[:3].to_dict("records")
    backwards = [dict(reversed(row.items())) for row in rows]
    expected = score(port, iris[:3].to_numpy().tolist()).scores
    assert score(port, rows).scores == score(port, backwards).scores == expected


NAMED = dict(zip(load_iris().feature_names, [5.0, 3.4, 1.5, 0.2], strict=True))
WIDTH = "petal width (cm)"


def table(*rows):
    return '{"rows": [' + ", ".join(rows) + "]}"


def numbers(first):
    return table("[5.0, 3.4, 1.5, 0.2]", f"[{first}, 3.4, 1.5, 0.2]")


# body sent to /score, then status and words of the response
BAD_BODIES = {
    "nothing": ("", 422, "JSON"),
    "no JSON": ("rows", 422, "JSON"),
    "half of a body": (table("[5.0, 3.4")[:-2], 422, "JSON"),
    "more than JSON": (numbers(5.0) + "]", 422, "JSON"),
    "no UTF-8": (b'{"rows": [[5.0, 3.4, 1.5, "\xff"]]}', 422, "JSON"),
    "deep nesting": ("[" * 100_000, 422, "JSON"),
    "deep rows": (numbers("[" * 100 + "]" * 100), 422, "rows, 1, list, 0"),
    "a list": ("[]", 422, "object"),
    "no rows": ("{}", 422, "rows"),
    "another name": ('{"lines": []}', 422, "rows"),
    "one name more": ('{"rows": [[5.0, 3.4, 1.5, 0.2]], "threshold": 1}', 422, "threshold"),
    "rows that are none": ('{"rows": 5.0}', 422, "rows"),
    "not one row": (table(), 422, "rows"),
    "a number for a row": (table("5.0"), 422, "rows, 0"),
    "too short a row": (table("[5.0, 3.4, 1.5]"), 422, "rows, 0"),
    "too long a row": (table("[5.0, 3.4, 1.5, 0.2, 0.1]"), 422, "rows, 0"),
    "ragged rows": (table("[5.0, 3.4, 1.5, 0.2]", "[5.0]"), 422, "rows, 1"),
    "an empty row": (table("[]"), 422, "rows, 0"),
    "text": (numbers('"5.0"'), 422, "rows, 1, list, 0: Input should be a valid number"),
    "true": (numbers("true"), 422, "rows, 1, list, 0: Input should be a valid number"),
    "null": (numbers("null"), 422, "rows, 1, list, 0: Input should be a valid number"),
    "NaN": (numbers("NaN"), 422, "rows, 1, list, 0: Input should be a finite number"),
    "infinity": (numbers("-Infinity"), 422, "rows, 1, list, 0: Input should be a finite number"),
    "more than float64": (numbers("1e400"), 422, "rows, 1, list, 0: Input should be a finite"),
    "400 digits": (numbers("1" * 400), 422, "rows, 1, list, 0: Input should be a"),
    "5000 digits": (numbers("1" * 5000), 422, "number out of range"),
    "a value that misses": (table(json.dumps({**NAMED, WIDTH: None})), 422, WIDTH),
    "a name too few": (table(json.dumps(dict([*NAMED.items()][:3]))), 422, WIDTH),
    "a name too many": (table(json.dumps(NAMED | {"weight": 1.0})), 422, "weight"),
    "a very long name": (table(json.dumps(NAMED | {"x" * 10**5: 1.0})), 422, "[...]"),
    "half a character": (table('{"\\ud800": 1}'), 422, "JSON"),
    "too many rows": (table(*1001 * ["[5.0, 3.4, 1.5, 0.2]"]), 422, "at most 1000"),
    "many faults": (table(*9 * ['{"x": "", "y": ""}']), 422, "rows, 0"),
    "too many bytes": (" " * (MAX_BYTES + 1), 413, str(MAX_BYTES)),
}
BAD_ADDRESSES = {
    "no such address": ("GET", "/nowhere", 404, "Not Found"),
    "a slash too many": ("POST", "/score/", 404, "Not Found"),
    "the wrong verb": ("GET", "/score", 405, "Not Allowed"),
    "the other wrong verb": ("POST", "/health", 405, "Not Allowed"),
}
BAD_REQUESTS = {name: ("POST", "/score", *bad) for name, bad in BAD_BODIES.items()} | {
    name: (verb, path, None, *expected) for name, (verb, path, *expected) in BAD_ADDRESSES.items()
}


def check_refused(answer, status, words):
    assert answer.status == status
    assert words in answer.detail
    assert len(answer.detail) <= 500
    assert "Traceback" not in answer.detail


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_gets_the_reason(port, name):
    verb, path, body, status, words = BAD_REQUESTS[name]
    check_refused(request(port, verb, path, body), status, words)


def test_a_huge_value_is_an_outlier(port):
    answer = request(port, "POST", "/score", numbers("1e200"))
    assert answer.status == 200
    assert answer.is_outlier[1]


def test_a_body_of_the_largest_size_is_read(port):
    body = numbers(5.0)
    assert request(port, "POST", "/score", body + " " * (MAX_BYTES - len(body))).status == 200


def test_a_body_in_chunks_is_read(port):
    body = numbers(5.0)
    with connect(port) as connection:
        pieces = (letter.encode() for letter in body)  # without a length they go in chunks
        answer = send(connection, "POST", "/score", pieces)
    assert answer.scores == request(port, "POST", "/score", body).scores


def test_a_body_without_an_end_is_refused_when_it_is_too_large(port):
    head = b"POST /score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 2**16 + b"\r\n"
    assert "413" in exchange(port, head + (MAX_BYTES // 2**16 + 1) * chunk).splitlines()[0]


def test_bytes_that_are_not_http_are_refused(port):
    assert "400" in exchange(port, b"rows\r\n\r\n").splitlines()[0]


def test_a_client_that_disconnects_does_not_affect_others(port):
    for _ in range(5):
        with socket.create_connection((HOST, port)) as client:
            client.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert request(port, "GET", "/health").status == 200


@pytest.mark.slow
def test_a_model_without_names_accepts_lists_and_flags_values_outside_its_range(iris, tmp_path):
    X = iris.to_numpy() / 10
    detector = quick(likelihood="bernoulli").fit(X)
    with serve(detector, tmp_path) as port:
        assert request(port, "GET", "/health").feature_names is None
        assert_allclose(score(port, X.tolist()).scores, detector.score_samples(X), rtol=RTOL)
        check_refused(score(port, [NAMED]), 422, "rows, 0")
        outside = score(port, [[5.0, 3.4, 1.5, 0.2]])
        assert (outside.status, outside.is_outlier) == (200, [True])


@pytest.mark.slow
def test_time_and_queue_are_bounded(iris, tmp_path):
    rows = np.tile(iris, (6, 1)).tolist()
    slow = quick(anomaly_score="log_likelihood").fit(rows)
    slow.set_params(n_importance_samples=2**15)  # many rows take long
    with serve(slow, tmp_path, "--timeout", "2") as port:
        with ThreadPoolExecutor(80) as clients:
            answers = [*clients.map(lambda _: score(port, rows), range(80))]
        late = [answer for answer in answers if answer.status == 504]
        refused = [answer for answer in answers if answer.status == 503]
        assert len(late) + len(refused) == len(answers)
        assert 0 < len(refused) <= 80 - 2 - 64  # two threads, 64 places in the queue
        check_refused(late[0], 504, "limit: 2 s")
        check_refused(refused[0], 503, "too many")
        assert refused[0].headers["Retry-After"] == "1"
        assert request(port, "GET", "/health").status == 200  # while both threads are busy
        deadline = time.monotonic() + PATIENCE
        while score(port, rows[:1]).status != 200:
            assert time.monotonic() < deadline


@pytest.mark.slow
def test_a_body_that_does_not_arrive_is_refused(detector, tmp_path):
    head = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with serve(detector, tmp_path, "--timeout", "1") as port:
        assert "408" in exchange(port, head + b"{").splitlines()[0]


@pytest.mark.parametrize("file", ["a transformer", pytest.param("missing", marks=pytest.mark.slow)])
def test_the_service_starts_only_with_a_detector(iris, tmp_path, file):
    path = tmp_path / "model.skvae"
    if file == "a transformer":
        skvae.save(quick(VAETransformer).fit(iris), path)
    command = [sys.executable, str(SERVICE), str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 1
    assert ("VAEAnomalyDetector" if file == "a transformer" else str(path)) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def plan(rng, iris, n_requests):
    """Yield requests to send, as the name of a bad one or the row numbers of a good one."""
    names = [*BAD_REQUESTS]
    for bad in rng.permutation(n_requests) < BAD_SHARE * n_requests:
        if bad:
            yield names[rng.integers(len(names))]
        else:
            yield rng.integers(len(iris), size=rng.integers(1, 9))


def send_and_check(connection, item, iris, scores):
    """Send one request of the plan, check the response, and return the seconds that it took."""
    if isinstance(item, str):
        *sent, status, words = BAD_REQUESTS[item]
    else:
        rows = iris.iloc[item]
        rows = rows.to_dict("records") if item[0] % 2 else rows.to_numpy().tolist()
        sent = "POST", "/score", json.dumps({"rows": rows})
    start = time.perf_counter()
    answer = send(connection, *sent)
    seconds = time.perf_counter() - start
    if isinstance(item, str):
        check_refused(answer, status, words)
    else:
        assert answer.status == 200
        assert_allclose(answer.scores, scores[item], rtol=RTOL)
    return seconds


@pytest.mark.parametrize("n_requests", [160, pytest.param(5000, marks=pytest.mark.slow)])
def test_requests_of_many_clients_are_answered_correctly(port, iris, detector, n_requests):
    items = [*plan(np.random.default_rng(0), iris, n_requests)]
    scores = detector.score_samples(iris)
    deadline = time.monotonic() + 10 * PATIENCE

    def work(client):
        with connect(port) as connection:
            for item in items[client::N_CLIENTS]:
                assert time.monotonic() < deadline
                yield send_and_check(connection, item, iris, scores)

    with ThreadPoolExecutor(N_CLIENTS) as clients:
        seconds = np.concatenate([*clients.map(lambda client: [*work(client)], range(N_CLIENTS))])
    assert len(seconds) == n_requests
    p50, p99 = 1000 * np.percentile(seconds, [50, 99])
    print(f"\n{n_requests} requests of {N_CLIENTS} clients: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
