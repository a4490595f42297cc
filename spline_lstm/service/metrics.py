"""Counts and durations of calls, for Prometheus; with several workers of all of them together.

Workers count in files of the folder that `MULTIPROCESS` names, which `prometheus_client` adds up.
"""

import os
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    Summary,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
# Others are counted together: a caller may invent as many as it likes.
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")
OTHER = "other"
# Of calls that have no route.
NO_ROUTE = "none"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter(
    "http_requests_total",
    "Total number of requests by method, status and handler.",
    ("method", "status", "handler"),
)
DURATIONS = Histogram(
    "http_request_duration_seconds",
    "Time from the head of a request to the end of its answer.",
    ("method", "handler"),
    buckets=SECONDS,
)
REQUEST_BYTES = Summary(
    "http_request_size_bytes", "Bytes of the bodies that were read.", ("handler",)
)
ANSWER_BYTES = Summary("http_response_size_bytes", "Bytes of the answers.", ("handler",))


def count_call(
    method: str, handler: str, status: int, seconds: float, received: int, sent: int
) -> None:
    """Count one call.

    Parameters
    ----------
    method, handler : str
        Method, and path of the route with the names of its parameters.
    status : int
        0: there was no answer.
    seconds : float
    received, sent : int
        Bytes of the two bodies.
    """
    requests, durations, bytes_in, bytes_out = _counters(method, handler, status // 100)
    requests.inc()
    durations.observe(seconds)
    bytes_in.observe(received)
    bytes_out.observe(sent)


@cache
def _counters(
    method: str, handler: str, hundreds: int
) -> tuple[Counter, Histogram, Summary, Summary]:
    """What counts a kind of call: finding it by its labels takes longer than counting."""
    return (
        REQUESTS.labels(method, f"{hundreds}xx", handler),
        DURATIONS.labels(method, handler),
        REQUEST_BYTES.labels(handler),
        ANSWER_BYTES.labels(handler),
    )


def known_method(method: str) -> str:
    """The method as it is counted."""
    return method if method in METHODS else OTHER


def exposition() -> bytes:
    """The counts of all workers in the text format of Prometheus."""
    if MULTIPROCESS not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
