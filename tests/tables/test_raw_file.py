import pytest

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.tables.raw_file import check_dvc_yaml, find_raw, write_raw

CSV, PARQUET = b"time,y\n2020-01-01,1\n", b"PAR1 and more"


def test_the_raw_table_is_called_by_its_kind(tmp_path):
    pipeline = Pipeline(tmp_path)
    for content, name in ((CSV, "series.csv"), (PARQUET, "series.parquet"), (CSV, "series.csv")):
        path = write_raw(pipeline, content)
        assert path == find_raw(pipeline) == tmp_path / "data/raw" / name
        assert path.read_bytes() == content
        assert [each.name for each in path.parent.iterdir()] == [name]


def test_none_or_two_raw_tables_are_refused(tmp_path):
    pipeline = Pipeline(tmp_path)
    with pytest.raises(ArtifactError, match="series.csv is missing, .* run `dvc repro`"):
        find_raw(pipeline)
    write_raw(pipeline, CSV)
    pipeline.raw_parquet.write_bytes(PARQUET)
    with pytest.raises(ArtifactError, match="are both there; remove the one"):
        find_raw(pipeline)


@pytest.mark.parametrize(("content", "other"), [(CSV, "parquet"), (PARQUET, "csv")])
def test_a_dvc_yaml_for_the_other_kind_is_refused(tmp_path, content, other):
    pipeline = Pipeline(tmp_path)
    check_dvc_yaml(pipeline, content, "x")
    right = {"csv": "parquet", "parquet": "csv"}[other]
    pipeline.dvc_yaml.write_text(f"outs: [${{folder}}/data/raw/series.{right}]\n")
    check_dvc_yaml(pipeline, content, "x")
    pipeline.dvc_yaml.write_text(
        f"outs: [data/raw/series.{other}]\ndeps: [data/raw/series.{other}]"
    )
    with pytest.raises(ArtifactError) as caught:
        check_dvc_yaml(pipeline, content, "the.file")
    message = str(caught.value)
    assert f"the raw table is data/raw/series.{other} there (2 places)" in message
    assert "the source the.file is" in message
    assert message.endswith(f"write data/raw/series.{right} in each place")
