"""The dvc.yaml of a new pipeline folder, made from one of the repository."""

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.yaml_files import dump_yaml, round_trip_yaml

CODE = ("spline_lstm/", "stages/")
SOURCE_FOLDER = Pipeline().source_folder.as_posix()
FOLDER = re.compile(r"pipelines/[A-Za-z0-9_-]+")


def dvc_of_partitions(pattern: str) -> str:
    """The text of a dvc.yaml for a panel in partitions: folders in place of two files."""
    one, many = Pipeline(), [Pipeline().raw_folder, Pipeline().array_folder]
    for files, folder in zip((one.raw_files, (one.processed,)), many, strict=True):
        for file in files:
            pattern = pattern.replace(file.as_posix(), folder.as_posix())
    return pattern


def render_dvc(pattern: str, name: str, *, source_file: bool = True) -> str:
    """The dvc.yaml of pipelines/NAME from the dvc.yaml of the root.

    Commands run at the root (`wdir`) with the folder as their argument; every path that is not code
    lies in the folder. Paths of the top-level plots are relative to the file already.

    Parameters
    ----------
    pattern : str
        Text of the root's dvc.yaml.
    name : str
        Name of the pipeline.
    source_file : bool
        True if data.source is a file, which ingest then depends on; False for an embedded or
        synthetic name.
    """
    yaml = round_trip_yaml()
    root = yaml.load(pattern)
    # Spelled out in each path: DVC reads the files of all pipelines for each of its commands, and a
    # variable in every path takes it a third longer.
    folder = f"pipelines/{name}"
    content = CommentedMap()
    content["stages"] = stages = CommentedMap(
        {key: _stage(stage, folder, source_file) for key, stage in root["stages"].items()}
    )
    if "plots" in root:
        content["plots"] = root["plots"]
    content.yaml_set_start_comment(
        f"The pipeline of this folder: dvc repro pipelines/{name}/dvc.yaml\n"
        "Made from the dvc.yaml of the root by `python -m spline_lstm init`; commands run at the "
        "root."
    )
    for mapping, keys in ((content, [*content][1:]), (stages, [*stages][1:])):
        for key in keys:
            mapping.yaml_set_comment_before_after_key(key, before="\n")
    # Keep one blank line if the pattern's own was copied, too.
    return re.sub(r"\n{3,}", "\n\n", dump_yaml(yaml, content))


def _stage(stage: Mapping[str, Any], folder: str, source_file: bool) -> CommentedMap:
    moved = CommentedMap()
    for key, value in stage.items():
        if key == "cmd":
            moved["cmd"] = f"{value} {folder}"
            moved["wdir"] = "../.."
        elif key == "params":
            moved["params"] = [CommentedMap({f"{folder}/params.yaml": list(value)})]
        elif key == "deps":
            moved["deps"] = [_moved(path, folder) for path in value if path != SOURCE_FOLDER]
            if SOURCE_FOLDER in value and source_file:
                moved["deps"].append(f"{folder}/${{data.source}}")
        elif key in ("outs", "metrics", "plots"):
            moved[key] = [_moved_output(entry, folder) for entry in value]
        else:
            moved[key] = value
    return moved


def _moved(path: str, folder: str) -> str:
    return path if path.startswith(CODE) else f"{folder}/{path}"


def _moved_output(entry: str | Mapping[str, Any], folder: str) -> str | CommentedMap:
    if isinstance(entry, str):
        return _moved(entry, folder)
    return CommentedMap({_moved(path, folder): options for path, options in entry.items()})


def cached_outputs(pattern: str) -> list[str]:
    """Outputs that DVC stores instead of git, relative to the pipeline folder."""
    stages = YAML(typ="safe", pure=True).load(pattern)["stages"].values()
    outs = [path for stage in stages for path in stage.get("outs", []) if isinstance(path, str)]
    return [FOLDER.sub("", path).removeprefix("/") for path in outs]


def copied_dvc(pattern: str, name: str, *, source_file: bool = True) -> str:
    """The dvc.yaml of pipelines/NAME from that of another folder, whose source is embedded.

    Its stage ingest then depends on the file of the source, too, if there is one.
    """
    folder = f"pipelines/{name}"
    own = FOLDER.sub(folder, pattern)
    if not source_file:
        return own
    schema = f"      - {folder}/${{data.schema_file}}\n"
    return own.replace(schema, f"{schema}      - {folder}/${{data.source}}\n", 1)
