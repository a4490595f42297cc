import pytest

from tests.small_pipeline import make_small_pipeline


@pytest.fixture(scope="session")
def small_pipeline(tmp_path_factory):
    """Folder of a small pipeline that ran from ingest to report; tests do not change it."""
    return make_small_pipeline(tmp_path_factory.mktemp("small"))
