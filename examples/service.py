"""A small web service that scores rows with a saved detector.

pip install "skvae[service]"
python examples/service.py detector.skvae --host 127.0.0.1 --port 8000

`GET /health` describes the model. `POST /score` accepts rows as lists in the order of the training
columns or, if these had names, as objects, and returns their scores, which are lower for outliers.
For example, two irises scored by `VAEAnomalyDetector(2, random_state=0)`:

curl http://127.0.0.1:8000/score --data '{"rows": [[5.0, 3.4, 1.5, 0.2], [5.0, 3.4, 1.5, 2.5]]}'
{"scores":[-0.6145809292793274,-11.299384117126465],"is_outlier":[false,true]}

If a request is invalid, the field `detail` of the response gives the reason. Size, number of rows,
duration and number of requests are limited. Authentication and encryption are left to a reverse
proxy.
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

MAX_BYTES, MAX_ROWS = 2**20, 1000  # per request
N_THREADS, MAX_WAITING = 2, 64  # requests scored at a time; requests waiting
MAX_CONNECTIONS = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="file with a VAEAnomalyDetector, written by skvae.save")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--timeout", type=int, default=10, help="seconds to receive, and to score")
    args = parser.parse_args()
    torch.set_num_threads(1)  # requests run in parallel; a single one needs no more
    try:
        app = make_app(Scorer(skvae.load(args.model)), args.timeout)
    except (OSError, ValueError) as exc:
        parser.exit(1, f"{exc}\n")
    limits = {"limit_concurrency": MAX_CONNECTIONS, "timeout_graceful_shutdown": args.timeout}
    uvicorn.run(app, host=args.host, port=args.port, access_log=False, **limits)


def make_app(scorer, timeout):
    """Return the application with its two routes."""
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
    """Refuse the request if the block takes longer."""
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
    """A few threads with a short queue."""

    def __init__(self):
        self._threads = ThreadPoolExecutor(N_THREADS)
        self._idle = asyncio.Semaphore(N_THREADS)
        self._n_waiting = 0

    async def run(self, function, *args):
        """Call a function in a thread, or refuse if too many calls are waiting."""
        if self._n_waiting >= MAX_WAITING:
            raise HTTPException(503, "too many requests at once", {"Retry-After": "1"})
        self._n_waiting += 1
        try:
            await self._idle.acquire()
        finally:
            self._n_waiting -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        future.add_done_callback(lambda _: self._idle.release())
        return await asyncio.shield(future)  # a timeout does not stop the thread


class Scorer:
    """A detector with JSON as input and output."""

    def __init__(self, detector):
        if not isinstance(detector, skvae.VAEAnomalyDetector):
            kind = type(detector).__name__
            raise ValueError(f"the service needs a VAEAnomalyDetector, the file holds a {kind}")
        names = getattr(detector, "feature_names_in_", None)
        self.detector = detector
        self.names = None if names is None else names.tolist()
        self.expected = pydantic.TypeAdapter(table_type(detector.n_features_in_, self.names))
        # rows are passed without names, in the order of the columns
        warnings.filterwarnings("ignore", "X does not have valid feature names")

    def describe(self):
        return {
            "model": type(self.detector).__name__,
            "n_features": self.detector.n_features_in_,
            "feature_names": self.names,
            "version": skvae.__version__,
        }

    def answer(self, body):
        """Return the score of every row, and whether the row is an outlier."""
        try:
            scores = self.detector.score_samples(self.read(body))
        except pydantic.ValidationError as exc:
            raise HTTPException(422, first_error(exc)) from exc
        except ValueError as exc:  # outside the range of the likelihood
            raise HTTPException(422, str(exc)) from exc
        if not np.isfinite(scores).all():
            row = np.argmin(np.isfinite(scores))
            raise HTTPException(422, f"rows, {row}: values too large for a finite score")
        return {"scores": scores.tolist(), "is_outlier": (scores < self.detector.offset_).tolist()}

    def read(self, body):
        """Return the rows as float64, with columns in the order of the training rows."""
        rows = self.expected.validate_json(body)["rows"]
        return np.array([row if type(row) is list else [*map(row.get, self.names)] for row in rows])


def table_type(n_features, names):
    """Return the type of a request body: an object with rows, each a list or an object."""
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
    """Return the type of an object with exactly these fields."""
    return pydantic.with_config(extra="forbid")(TypedDict("Object", fields))


def first_error(exc):
    """Return the location and the message of the first error in a body."""
    error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ", ".join(map(str, error["loc"])) or "body"
    return shorten(f"{place}: {error['msg']}", 500)


if __name__ == "__main__":
    main()
