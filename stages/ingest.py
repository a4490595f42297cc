"""Stage ingest: a named source to data/raw, its bytes unchanged."""

from pathlib import Path

from spline_lstm.core.artifacts import sha256_of_file, write_metrics
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.tables.raw_file import check_dvc_yaml, write_raw
from spline_lstm.tables.source_deps import check_watched
from spline_lstm.tables.sources import read_source
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write the raw table and metrics/ingest.json, unless the table breaks the contract."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    content = read_source(params.data.source, folder)
    check_watched(pipeline, params.data.source)
    check_dvc_yaml(pipeline, content, params.data.source)
    try:
        checked = load_part(params, "ingest")(content, folder, params)
    except DataContractError as error:
        write_metrics(pipeline.metrics("ingest"), error.quality)
        raise
    raw = write_raw(pipeline, content)
    metrics = {
        "source": params.data.source,
        **checked.metrics,
        "sha256": sha256_of_file(raw),
        "code_id": stage_code_id(folder, "ingest"),
    }
    write_metrics(pipeline.metrics("ingest"), metrics)
    return f"{params.data.source}: {checked.text}"


if __name__ == "__main__":
    run_stage("ingest", main)
