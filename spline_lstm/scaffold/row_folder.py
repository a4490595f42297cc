"""The folder of a new pipeline for a table of rows, written completely or not at all."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import Params, load_overlay, load_params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.row_schema import load_row_schema, parse_row_schema
from spline_lstm.rows.check_rows_table import check_rows_table
from spline_lstm.scaffold.dvc_text import cached_outputs
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.row_proposal import KINDS, propose_rows
from spline_lstm.scaffold.source_file import EmbeddedSource, SourceFile
from spline_lstm.scaffold.summary import Plan
from spline_lstm.scaffold.write_folder import (
    SCHEMA_FILE,
    check_target,
    folder_of,
    render_schema,
    summary_of,
)
from spline_lstm.tables.parquet import is_parquet
from spline_lstm.tables.sources import EMBEDDED, read_source

# The pipeline whose stages and params every table of rows gets.
PATTERN = "tabular"
EDITOR_SCHEMA = "configs/rows.schema.json"


def scaffold_rows(
    name: str,
    csv: Path,
    options: Options,
    root: Path,
    params_file: Path | None = None,
    schema_file: Path | None = None,
    *,
    copy: bool = True,
) -> str:
    """Write `root`/pipelines/NAME for the table of rows in `csv`; returns what was decided.

    Errors are those of `spline_lstm.scaffold.write_folder.scaffold`. Params that the table does not
    decide are those of pipelines/tabular; `params_file` overrides both, and `schema_file` is taken
    instead of a proposed schema. `csv` may also be the name
    of a table inside a package, such as statsmodels/randhie.
    """
    folder, where = root / folder_of(name), csv.as_posix()
    check_target(name, folder, root)
    if where not in EMBEDDED and not csv.is_file():
        raise UsageError(f"--csv {csv}: no such file")
    overlay = {} if params_file is None else load_overlay(params_file)
    content = read_source(where, Path()) if where in EMBEDDED else csv.read_bytes()
    options = _with_overlay(options, overlay)
    plan = propose_rows(read_table(content, where, options), where, options)
    if schema_file is not None:
        plan = _with_schema(plan, schema_file)
    source = (
        EmbeddedSource(where) if where in EMBEDDED else SourceFile.of(csv, folder, root, copy=copy)
    )
    building = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
    try:
        _write(building, name, source.source, plan, root, overlay, is_parquet(content))
        source.write(building)
        check_rows_table(read_source(source.source, building), building, load_params(building))
        building.chmod(0o755)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return summary_of(folder.relative_to(root), csv, plan, source)


def _write(
    folder: Path,
    name: str,
    source: str,
    plan: Plan,
    root: Path,
    overlay: Mapping[str, Any],
    parquet: bool,
) -> None:
    pattern = root / folder_of(PATTERN)
    if not (pattern / "dvc.yaml").is_file():
        raise UsageError(f"{pattern} has no dvc.yaml, the pattern for tables of rows; restore it")
    base = load_params(pattern)
    defaults = {f"tabular.{key}": value for key, value in Params().tabular if key != "target"}
    values = {**defaults, **plan.values, **overlay}
    values |= {"data.source": source, "data.schema_file": SCHEMA_FILE}
    params = with_values(base, values, "the proposed params")
    schema = dict(plan.schema)
    if (root / EDITOR_SCHEMA).is_file():
        schema = {"$schema": f"../../{EDITOR_SCHEMA}", **schema}
    dvc = render_rows_dvc(
        (pattern / "dvc.yaml").read_text(encoding="utf-8"),
        name,
        parquet=parquet,
        source_file=source not in EMBEDDED,
    )
    outputs = cached_outputs(dvc)
    texts = {
        "params.yaml": params_text(params, name),
        "dvc.yaml": dvc,
        SCHEMA_FILE: render_schema(schema),
        ".gitignore": "".join(f"/{path.removeprefix(f'pipelines/{name}/')}\n" for path in outputs),
    }
    parse_row_schema(texts[SCHEMA_FILE], "the proposed schema")
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


def _with_schema(plan: Plan, path: Path) -> Plan:
    schema = load_row_schema(path)
    kinds = {"schema": f"as in {path}"}
    told = {key: text for key, text in plan.decisions.items() if key not in KINDS.values()}
    content = schema.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    return replace(
        plan,
        schema={"version": schema.version, **content},
        decisions={**told, **kinds},
        questions=(),
    )


def _with_overlay(options: Options, overlay: Mapping[str, Any]) -> Options:
    """The options, with the target and the kind that the user's params name."""
    target, kind = overlay.get("tabular.target"), overlay.get("tabular.kind")
    return replace(
        options,
        targets=options.targets or ((str(target),) if target else ()),
        kind=options.kind or kind,
    )


def render_rows_dvc(pattern: str, name: str, *, parquet: bool, source_file: bool = True) -> str:
    """The dvc.yaml of pipelines/NAME from that of pipelines/tabular.

    The stage ingest depends on the file of the user, if there is one, and the raw table is called
    by its kind.
    """
    text = re.sub(r"pipelines/tabular\b", f"pipelines/{name}", pattern)
    csv, columns = (path.as_posix() for path in Pipeline().raw_files)
    text = text.replace(csv, columns) if parquet else text
    if not source_file:
        return text
    return text.replace(
        "      - stages/ingest.py\n",
        f"      - stages/ingest.py\n      - pipelines/{name}/${{data.source}}\n",
        1,
    )
