"""Stage ingest: a named source to data/raw, its bytes unchanged, or in partitions."""

from pathlib import Path

from spline_lstm.core.artifacts import sha256_of_file, write_metrics
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.core.stage_files import CheckedTable
from spline_lstm.tables.partitions import INDEX, ingest_partitions
from spline_lstm.tables.raw_file import check_dvc_yaml, check_dvc_yaml_of_partitions, write_raw
from spline_lstm.tables.source_deps import check_watched
from spline_lstm.tables.sources import read_source
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write the raw table and metrics/ingest.json, unless the table breaks the contract."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    check_watched(pipeline, params.data.source)
    bring = bring_file if params.data.partition_rows is None else bring_partitions
    try:
        checked, raw = bring(pipeline, params)
    except DataContractError as error:
        write_metrics(pipeline.metrics("ingest"), error.quality)
        raise
    metrics = {
        "source": params.data.source,
        **checked.metrics,
        "sha256": sha256_of_file(raw),
        "code_id": stage_code_id(folder, "ingest"),
    }
    write_metrics(pipeline.metrics("ingest"), metrics)
    return f"{params.data.source}: {checked.text}"


def bring_file(pipeline: Pipeline, params: Params) -> tuple[CheckedTable, Path]:
    """Write the source as one file; what is in it, and the file."""
    content = read_source(params.data.source, pipeline.folder)
    check_dvc_yaml(pipeline, content, params.data.source)
    checked = load_part(params, "ingest")(content, pipeline.folder, params)
    return checked, write_raw(pipeline, content)


def bring_partitions(pipeline: Pipeline, params: Params) -> tuple[CheckedTable, Path]:
    """Write the source as partitions; what is in them, and their index."""
    check_dvc_yaml_of_partitions(pipeline)
    return ingest_partitions(pipeline.folder, params), pipeline.raw_folder / INDEX


if __name__ == "__main__":
    run_stage("ingest", main)
