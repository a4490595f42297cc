from spline_lstm.core.pipeline import compilation_cache


def test_pipelines_of_one_repository_share_compiled_programs(tmp_path):
    folder = tmp_path / "pipelines/air"
    folder.mkdir(parents=True)
    assert compilation_cache(folder) == folder / ".cache/jax"
    (tmp_path / ".dvc").mkdir()
    assert compilation_cache(folder) == compilation_cache(tmp_path) == tmp_path / ".cache/jax"
    (folder / ".dvc").mkdir()
    assert compilation_cache(folder) == folder / ".cache/jax"
