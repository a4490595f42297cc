"""Settings of every test process."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from tests.builders import ROOT

# The same examples in every run: a red test is red for everyone. Failing examples are shrunk, but
# not explained, which takes minutes.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=100,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")
# Many tests train networks of one shape: each is compiled once. Tests wait for the compiler, not
# for what it compiles; the pipeline tests, which start processes of their own, run what users run.
configure_compilation_cache(ROOT)
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# As stages do: arrays of an earlier test must not decide how many devices a later one has.
configure_threads(2)


@pytest.fixture(scope="session")
def small_pipeline(tmp_path_factory):
    """Folder of a small pipeline that ran from ingest to report; who writes into it copies it."""
    # Here, because few tests need the stages.
    from tests.small_pipeline import make_small_pipeline  # noqa: PLC0415

    return make_small_pipeline(tmp_path_factory.mktemp("small"))
