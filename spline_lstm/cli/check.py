"""Command check: the files that people write, against their rules."""

import argparse
import re
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import load_schema
from spline_lstm.models.types import check_types
from spline_lstm.series.partition_fit import check_supported
from spline_lstm.tables.partitions import check_has_series
from spline_lstm.tables.raw_file import check_dvc_yaml, check_dvc_yaml_of_partitions
from spline_lstm.tables.source_deps import check_watched
from spline_lstm.tables.sources import read_source
from spline_lstm.tasks.parts import load_part, task_of

DESCRIPTION = """\
Check the files that you write: params.yaml against its rules, the covariate schema against its
rules, that the source of the data can be read and lies where DVC notices a change of it, and that
dvc.yaml names the raw table by its kind, CSV or Parquet. Nothing is run or written. An error names
the key or the JSON path, the rule, and what to do.
"""
EXAMPLES = """
python -m spline_lstm check
python -m spline_lstm check pipelines/stores
"""

# The folder whose stage a command runs.
ARGUMENT = re.compile(r"python -m stages\.\w+ (\S+)")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)


def run(arguments: argparse.Namespace) -> str:
    """Read params.yaml and the schema, and open the source as ingest does."""
    folder: Path = arguments.folder
    params = load_params(folder)
    task_of(params)
    check_types(params)
    targets = load_part(params, "schema")(folder, params)
    check_name(Pipeline(folder))
    check_watched(Pipeline(folder), params.data.source)
    if params.data.partition_rows is None:
        content = read_source(params.data.source, folder)
        check_dvc_yaml(Pipeline(folder), content, params.data.source)
    else:
        check_supported(params)
        if params.task == "forecast":
            check_has_series(load_schema(folder / params.data.schema_file))
        check_dvc_yaml_of_partitions(Pipeline(folder))
    files = f"{folder / 'params.yaml'} and {folder / params.data.schema_file}"
    return f"{files} are valid; targets: {', '.join(targets)}"


def check_name(pipeline: Pipeline) -> None:
    """Check that dvc.yaml, if it can be read, runs the stages of its own folder.

    Raises
    ------
    ArtifactError
        It runs those of another one, as after the folder was renamed or copied.
    """
    try:
        content = YAML(typ="safe", pure=True).load(pipeline.dvc_yaml.read_text(encoding="utf-8"))
        stages = [(stage["cmd"], stage.get("wdir", ".")) for stage in content["stages"].values()]
    except (OSError, YAMLError, KeyError, TypeError, AttributeError):
        return  # What is wrong with it is said elsewhere.
    for command, base in stages:
        for named in ARGUMENT.findall(str(command)):
            if (pipeline.folder / base / named).resolve() != pipeline.folder.resolve():
                raise ArtifactError(
                    f"{pipeline.dvc_yaml} runs the stages of {named}, as after this folder was "
                    f"renamed or copied; replace {named} by the path of this folder everywhere in "
                    "its dvc.yaml and dvc.lock"
                )
