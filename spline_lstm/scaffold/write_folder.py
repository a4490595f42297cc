"""The folder of a new pipeline, written completely or not at all."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from spline_lstm.core.errors import ParamsError, UsageError
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_file import example_setting, experiment_command, params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.scaffold.dvc_text import cached_outputs, dvc_of_partitions
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.source_file import EmbeddedSource, SourceFile
from spline_lstm.scaffold.summary import Plan
from spline_lstm.scaffold.task_folders import TASK_FOLDERS, TaskFolder
from spline_lstm.scaffold.user_files import NO_FILES, UserFiles
from spline_lstm.series.partition_fit import check_supported
from spline_lstm.tables.parquet import is_parquet, parquet_rows
from spline_lstm.tables.sources import EMBEDDED, read_source

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MAX_IN_LINE = 110
SCHEMA_FILE = "schema.json"
# What `score` and `train` keep in a pipeline folder.
STORE = "store/"
# A Parquet file of so many rows is split into partitions of so many.
LARGE_ROWS, PARTITION_ROWS = 5_000_000, 1_000_000
STREAM_STEPS = 64


def scaffold(
    name: str,
    csv: Path,
    options: Options,
    root: Path,
    files: UserFiles = NO_FILES,
    *,
    copy: bool = True,
    task: str = "forecast",
) -> str:
    """Write `root`/pipelines/NAME for the table in `csv`; returns what was decided, and why.

    `task` is a key of `TASK_FOLDERS`. With `copy`, a file that is not too large becomes part of the
    folder, so that experiments in temporary copies of the repository have it. `csv` may also be the
    name of a table inside a package, such as statsmodels/randhie.

    Raises
    ------
    UsageError
        The name is taken or not valid, the file is missing, `root` is not a repository of this
        project, or the file leaves something open.
    ParamsError
        A value of the overlay breaks its rule, or does not go with the partitions that it asks for.
    DataContractError
        The table breaks the data contract in a way that no params can fix; nothing is written.
    """
    folder = root / folder_of(name)
    check_target(name, folder, root)
    content = _content(csv)
    kind = TASK_FOLDERS[task]
    plan = kind.plan(files, content, csv.as_posix(), options)
    parquet = is_parquet(content)
    if parquet:
        plan = in_partitions(plan, content)
    del content
    # pyarrow keeps the memory of what it has read, and the table is read once more below.
    pa.default_memory_pool().release_unused()
    source = (
        EmbeddedSource(csv.as_posix())
        if csv.as_posix() in EMBEDDED
        else SourceFile.of(csv, folder, root, copy=copy)
    )
    folder.parent.mkdir(exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
    try:
        write_folder(building, name, source.source, plan, root, files, parquet=parquet, kind=kind)
        source.write(building)
        remarks = kind.check(building, csv.as_posix())
        building.chmod(0o755)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    plan = replace(plan, questions=(*plan.questions, *remarks))
    return summary_of(folder.relative_to(root), csv, plan, source)


def _content(csv: Path) -> bytes:
    if csv.as_posix() in EMBEDDED:
        return read_source(csv.as_posix(), Path())
    if csv.is_dir():
        raise UsageError(f"--csv {csv}: is a folder; name the CSV or Parquet file in it")
    if not csv.exists():
        raise UsageError(f"--csv {csv}: no such file")
    if not csv.is_file():
        raise UsageError(f"--csv {csv}: is not a regular file; name a CSV or Parquet file")
    return csv.read_bytes()


def folder_of(name: str) -> Path:
    """Where `scaffold` writes, relative to the root."""
    return Path("pipelines") / name


def check_target(name: str, folder: Path, root: Path) -> None:
    """Raise UsageError unless a new pipeline can be called `name` and `root` is a repository."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a pipeline name; use letters, digits, - and _, starting with a "
            "letter or digit"
        )
    for needed in ("params.yaml", "dvc.yaml", "stages"):
        if not (root / needed).exists():
            raise UsageError(
                f"{root.resolve()} has no {needed}; run init in the root of the repository"
            )
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} exists already and was not changed; choose another name or remove it"
        )


def write_folder(
    folder: Path,
    name: str,
    source: str,
    plan: Plan,
    root: Path,
    files: UserFiles = NO_FILES,
    *,
    parquet: bool = False,
    kind: TaskFolder = TASK_FOLDERS["forecast"],
) -> None:
    """Write params.yaml, dvc.yaml, the schema and .gitignore into an existing folder.

    Parameters
    ----------
    folder : Path
        Where to write.
    name : str
        Name of the pipeline, part of the paths in dvc.yaml.
    source : str
        data.source, relative to the pipeline folder.
    plan : Plan
    root : Path
        Has the dvc.yaml that is the pattern, of the task.
    files : UserFiles
        Its schema is written as it is.
    parquet : bool
        The source is a Parquet file.
    kind : TaskFolder
        What differs between tasks.

    Raises
    ------
    ParamsError
        A value of the overlay breaks its rule.
    UsageError
        The root lacks the pattern.
    """
    if not (root / kind.pattern).is_file():
        raise UsageError(f"{root / kind.pattern} is missing, which new pipelines are made from")
    values = {**plan.values, "data.source": source, "data.schema_file": SCHEMA_FILE}
    params = with_values(kind.base(root), values, files.params_file)
    pattern = (root / kind.pattern).read_text(encoding="utf-8")
    # The raw table is called by its kind; the root may have the other one.
    csv, columns = (path.as_posix() for path in Pipeline().raw_files)
    pattern = pattern.replace(csv, columns) if parquet else pattern.replace(columns, csv)
    if params.data.partition_rows is not None:
        pattern = dvc_of_partitions(pattern)
    schema = dict(plan.schema)
    if (root / kind.editor_schema).is_file():
        schema = {"$schema": f"../../{kind.editor_schema}", **schema}
    texts = {
        "params.yaml": params_text(params, name),
        "dvc.yaml": kind.render(pattern, name, source_file=source not in EMBEDDED),
        SCHEMA_FILE: render_schema(schema) if files.schema is None else files.schema,
        ".gitignore": "".join(f"/{path}\n" for path in (*cached_outputs(pattern), STORE)),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


def in_partitions(plan: Plan, content: bytes) -> Plan:
    """The plan for a Parquet file; a large one of many series is split, if its options allow that.

    Raises
    ------
    ParamsError
        The overlay asks for partitions, and its options need all values at once, see
        `spline_lstm.series.partition_fit.check_supported`.
    """
    rows, asked = parquet_rows(content), plan.values.get("data.partition_rows") is not None
    if not plan.schema.get("series_col") or (rows < LARGE_ROWS and not asked):
        return plan
    split = with_known_season(plan)
    if not asked:
        chosen = {"data.partition_rows": PARTITION_ROWS, "train.stream_steps": STREAM_STEPS}
        said = f"{PARTITION_ROWS} rows each (data.partition_rows), because the file has {rows}"
        decisions = {**split.decisions, "partitions": said}
        split = replace(split, values={**split.values, **chosen}, decisions=decisions)
    try:
        check_supported(with_values(Params(), split.values, "the proposed params"))
    except ParamsError:
        if asked:
            raise
        return plan
    return split


def with_known_season(plan: Plan) -> Plan:
    """The plan with the season of `preprocess.fill: seasonal`, which no partition can find alone.

    Without a season, a proposed seasonal fill is left out.
    """
    values, decisions = dict(plan.values), dict(plan.decisions)
    if values.get("preprocess.fill") != "seasonal" or values.get("preprocess.season"):
        return plan
    season = values.get("evaluate.season") or 1
    if season > 1:
        values["preprocess.season"] = season
        decisions["preprocess.season"] = f"{season} (partitions do not find it by themselves)"
    elif "preprocess.fill" in decisions:
        del values["preprocess.fill"], decisions["preprocess.fill"]
    return replace(plan, values=values, decisions=decisions)


def render_schema(content: Mapping[str, Any]) -> str:
    """JSON text with one covariate per line."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # Line breaks inside texts are escaped, so that only those of the layout are replaced.
    for innermost in (r"\[[^\[\]{}]*\]", r"\{[^{}]*\}"):
        text = re.sub(innermost, lambda found: _on_one_line(found.group()), text)
    return text + "\n"


def _on_one_line(text: str) -> str:
    line = re.sub(r"(?<=[\[{])\n\s*|\n\s*(?=[\]}])", "", text)
    line = re.sub(r"\n\s*", " ", line)
    return line if len(line) <= MAX_IN_LINE else text


def summary_of(folder: Path, csv: Path, plan: Plan, source: SourceFile | EmbeddedSource) -> str:
    """What was decided for the table in `csv`, and what to do next."""
    decisions = {**plan.decisions, "source": source.text()}
    remarks = [*plan.questions, *source.remarks()]
    width = max(map(len, decisions))
    lines = [f"{folder.as_posix()} is ready for {csv}:"]
    lines += [f"  {what:<{width}}  {text}" for what, text in decisions.items()]
    if remarks:
        lines += ["Check:", *(f"  - {text}" for text in remarks)]
    lines += [
        f"Every setting is in {folder.as_posix()}/params.yaml and {SCHEMA_FILE}; change it there.",
        f"Next: dvc repro {folder.as_posix()}/dvc.yaml",
        f"      git add {folder.as_posix()}; git commit; then experiments with other values:",
        f"      {experiment_command(folder.name, example_setting(plan.values))}",
    ]
    return "\n".join(lines)
