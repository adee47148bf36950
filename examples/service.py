"""A small web service that scores rows by a saved detector.

pip install "skvae[service]"
python examples/service.py detector.skvae --host 127.0.0.1 --port 8000

`GET /health` says which model answers. `POST /score` takes rows in the order of the training
columns or, where these had names, as objects, and answers with their scores, lower for outliers.
Two irises, by `VAEAnomalyDetector(2, random_state=0)`:

curl http://127.0.0.1:8000/score --data '{"rows": [[5.0, 3.4, 1.5, 0.2], [5.0, 3.4, 1.5, 2.5]]}'
{"scores":[-0.6285199522972107,-11.397034645080566],"is_outlier":[false,true]}

The `detail` of an answer says what is wrong with a request. Requests are bounded in bytes, rows and
time, and so is their number; passwords and encryption are left to a proxy in front.
"""

from __future__ import annotations

import argparse
import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from textwrap import shorten
from typing import Annotated

import numpy as np
import pydantic
import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import Discriminator, Field, Tag
from starlette.requests import ClientDisconnect
from typing_extensions import TypedDict

import skvae

MAX_BYTES, MAX_ROWS = 2**20, 1000  # of one request
N_THREADS, MAX_WAITING = 2, 64  # requests that are scored at a time, and that wait for it
MAX_CONNECTIONS = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="file of a VAEAnomalyDetector, written by skvae.save")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--timeout", type=int, default=10, help="seconds to receive, and to score")
    args = parser.parse_args()
    torch.set_num_threads(1)  # requests run side by side; one alone needs no more
    try:
        app = make_app(Scorer(skvae.load(args.model)), args.timeout)
    except (OSError, ValueError) as exc:
        parser.exit(1, f"{exc}\n")
    limits = {"limit_concurrency": MAX_CONNECTIONS, "timeout_graceful_shutdown": args.timeout}
    uvicorn.run(app, host=args.host, port=args.port, access_log=False, **limits)


def make_app(scorer, timeout):
    """Return the application with its two addresses."""
    app, workers = FastAPI(openapi_url=None, redirect_slashes=False), Workers()

    @app.get("/health")
    async def health():
        return scorer.describe()

    @app.post("/score")
    async def score(request: Request):
        async with time_limit(timeout, 408, "the request took too long to arrive"):
            body = await read_body(request)
        async with time_limit(timeout, 504, "scoring took too long; send fewer rows at a time"):
            return JSONResponse(await workers.run(scorer.answer, body))

    return app


@asynccontextmanager
async def time_limit(seconds, status, reason):
    """Refuse a request for which the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise HTTPException(status, f"{reason} (limit: {seconds} s)") from exc


async def read_body(request):
    """Return the body, or refuse it as soon as it is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise HTTPException(413, f"the body has more than {MAX_BYTES} bytes")
    except ClientDisconnect as exc:
        raise HTTPException(400, "the client left before the end of its request") from exc
    return bytes(body)


class Workers:
    """A few threads, with a short queue before them."""

    def __init__(self):
        self._threads = ThreadPoolExecutor(N_THREADS)
        self._idle = asyncio.Semaphore(N_THREADS)
        self._n_waiting = 0

    async def run(self, function, *args):
        """Call a function in a thread, or refuse where too many calls wait for one."""
        if self._n_waiting >= MAX_WAITING:
            raise HTTPException(503, "too many requests at once", {"Retry-After": "1"})
        self._n_waiting += 1
        try:
            await self._idle.acquire()
        finally:
            self._n_waiting -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        future.add_done_callback(lambda _: self._idle.release())
        return await asyncio.shield(future)  # its thread is busy until the end, awaited or not


class Scorer:
    """A detector that takes JSON."""

    def __init__(self, detector):
        if not isinstance(detector, skvae.VAEAnomalyDetector):
            kind = type(detector).__name__
            raise ValueError(f"the service needs a VAEAnomalyDetector, the file holds a {kind}")
        names = getattr(detector, "feature_names_in_", None)
        self.detector = detector
        self.names = None if names is None else names.tolist()
        self.expected = pydantic.TypeAdapter(table_type(detector.n_features_in_, self.names))
        # rows come without names, and in order
        warnings.filterwarnings("ignore", "X does not have valid feature names")

    def describe(self):
        return {
            "model": type(self.detector).__name__,
            "n_features": self.detector.n_features_in_,
            "feature_names": self.names,
            "version": skvae.__version__,
        }

    def answer(self, body):
        """Return the score of every row, and whether it is that of an outlier."""
        try:
            scores = self.detector.score_samples(self.read(body))
        except pydantic.ValidationError as exc:
            raise HTTPException(422, first_error(exc)) from exc
        except ValueError as exc:  # outside the range that the likelihood takes
            raise HTTPException(422, str(exc)) from exc
        if not np.isfinite(scores).all():
            row = np.argmin(np.isfinite(scores))
            raise HTTPException(422, f"rows, {row}: values too large for a finite score")
        return {"scores": scores.tolist(), "is_outlier": (scores < self.detector.offset_).tolist()}

    def read(self, body):
        """Return rows of float64, their columns in the order of the training rows."""
        rows = self.expected.validate_json(body)["rows"]
        return np.array([row if type(row) is list else [*map(row.get, self.names)] for row in rows])


def table_type(n_features, names):
    """Return the type of a body: an object of rows, each of them a list or an object."""
    number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
    width = Field(min_length=n_features, max_length=n_features, fail_fast=True)
    row = Annotated[list[number], width, Tag("list")]
    if names is not None:
        named = Annotated[closed(dict.fromkeys(names, number)), Tag("object")]
        kind = Discriminator(lambda value: "list" if isinstance(value, list) else "object")
        row = Annotated[row | named, kind]
    height = Field(min_length=1, max_length=MAX_ROWS, fail_fast=True)
    return closed({"rows": Annotated[list[row], height]})


def closed(fields):
    """Return the type of an object with these fields and no others."""
    return pydantic.with_config(extra="forbid")(TypedDict("Object", fields))


def first_error(exc):
    """Return where the first fault of a body is, and which."""
    error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ", ".join(map(str, error["loc"])) or "body"
    return shorten(f"{place}: {error['msg']}", 500)


if __name__ == "__main__":
    main()
