"""The folder of a new pipeline, made from the files of the root by rule, whole or not at all."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import load_params, parse_params
from spline_lstm.core.schema import load_schema, parse_schema
from spline_lstm.core.yaml_files import dump_yaml, render_params, round_trip_yaml
from spline_lstm.scaffold.column_roles import Wishes
from spline_lstm.scaffold.propose import Proposal, propose
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.tables.sources import read_source

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MAX_IN_LINE = 110
CODE = ("spline_lstm/", "stages/")
SOURCE_FOLDER = "data/source"
SCHEMA_FILE = "schema.json"
EDITOR_SCHEMA = "configs/covariates.schema.json"
# The commands in the head of a params.yaml, of the root or of any pipeline folder.
CHECK = re.compile(r"(# .*`python -m spline_lstm check)(?: pipelines/[\w-]+)?`")
EXPERIMENT = re.compile(
    r"# `dvc exp run (?:pipelines/\S+ )?-S (?:pipelines/[^\s:]+:)?([^`\s]+)`\s(?:# )?"
)


@dataclass(frozen=True)
class Given:
    """Params and schema that the user brings instead of having them proposed.

    Attributes
    ----------
    params, schema : text of the file, or None
    decisions : what is taken from where
    """

    params: str | None = None
    schema: str | None = None
    decisions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, params: Path | None, schema: Path | None) -> "Given":
        """Read and validate the files.

        Raises
        ------
        UsageError
            A file is missing.
        ParamsError, SchemaError
            It breaks a rule.
        """
        files = {"params": params, "schema": schema}
        texts = {
            what: _read_text(path, f"--{what}") for what, path in files.items() if path is not None
        }
        if params is not None:
            parse_params(texts["params"], str(params))
        if schema is not None:
            parse_schema(texts["schema"], str(schema))
        return cls(**texts, decisions={what: f"as in {files[what]}" for what in texts})

    def complete(self, content: bytes, where: str, wishes: Wishes) -> Proposal:
        """What the table proposes, but for what was brought."""
        if self.params is not None and self.schema is not None:
            return Proposal({}, {}, self.decisions, ())
        if self.schema is not None:
            schema = parse_schema(self.schema, where)
            wishes = replace(
                wishes,
                timestamp=schema.timestamp_col,
                targets=schema.target_cols,
                series=schema.series_col,
            )
        proposal = propose(content, where, wishes)
        return replace(proposal, decisions={**proposal.decisions, **self.decisions})


def scaffold(name: str, csv: Path, wishes: Wishes, root: Path, given: Given = Given()) -> str:
    """Write `root`/pipelines/NAME for the table in `csv`; returns what was decided, and why.

    Raises
    ------
    UsageError
        The name is taken or not valid, the file is missing, `root` is no repository of this project,
        or the file leaves something open.
    DataContractError
        The table breaks the data contract in a way that no params mend; nothing is written.
    """
    folder = root / "pipelines" / name
    _check_place(name, folder, root)
    if csv.is_dir():
        raise UsageError(f"--csv {csv}: is a folder; name the CSV or Parquet file in it")
    if not csv.is_file():
        raise UsageError(f"--csv {csv}: no such file")
    content = read_source(csv.name, csv.parent)
    proposal = given.complete(content, str(csv), wishes)
    source = Path(os.path.relpath(csv.resolve(), folder.resolve())).as_posix()
    folder.parent.mkdir(exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
    try:
        write_folder(building, name, source, proposal, root, given)
        _check_folder(building, content, str(csv))
        building.chmod(0o755)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return _summary(folder.relative_to(root), csv, proposal, outside=not _is_inside(csv, root))


def _read_text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{option} {path}: {getattr(error, 'strerror', 'no UTF-8 text')}"
        ) from None


def _check_place(name: str, folder: Path, root: Path) -> None:
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} names no pipeline; use letters, digits, - and _, a letter or digit first"
        )
    for needed in ("params.yaml", "dvc.yaml", "stages"):
        if not (root / needed).exists():
            raise UsageError(
                f"{root.resolve()} holds no {needed}; run init in the root of the repository"
            )
    if os.path.lexists(folder):
        raise UsageError(f"{folder} exists and is left as it is; choose another name or remove it")


def write_folder(
    folder: Path,
    name: str,
    source: str,
    proposal: Proposal,
    root: Path,
    given: Given = Given(),
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
    proposal : Proposal
    root : Path
        Holds the params.yaml and dvc.yaml that are taken as the pattern.
    given : Given
        Params and schema that are written as they are, but for data.source and data.schema_file.
    """
    values = {"data.source": source, "data.schema_file": SCHEMA_FILE}
    params = given.params
    if params is None:
        params, values = (
            (root / "params.yaml").read_text(encoding="utf-8"),
            {**values, **proposal.values},
        )
    pattern = (root / "dvc.yaml").read_text(encoding="utf-8")
    schema = dict(proposal.schema)
    if (root / EDITOR_SCHEMA).is_file():
        schema = {"$schema": f"../../{EDITOR_SCHEMA}", **schema}
    files = {
        "params.yaml": render_head(render_params(params, values), name),
        "dvc.yaml": render_dvc(pattern, name),
        SCHEMA_FILE: render_schema(schema) if given.schema is None else given.schema,
        ".gitignore": "".join(f"/{path}\n" for path in cached_outputs(pattern)),
    }
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


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


def render_head(params: str, name: str) -> str:
    """The text of a params.yaml whose head names the commands of pipelines/NAME instead of those of another pipeline.

    Without file and folder DVC changes params.yaml of the root and runs the pipeline there.

    >>> print(render_head("# `dvc exp run -S train.seed=7` runs the pipeline with another value.", "shop"))
    # `dvc exp run pipelines/shop/dvc.yaml -S pipelines/shop/params.yaml:train.seed=7`
    # runs the pipeline with another value.
    """
    params = CHECK.sub(rf"\1 pipelines/{name}`", params, count=1)
    return EXPERIMENT.sub(
        lambda found: f"# `{experiment_command(name, found[1])}`\n# ", params, count=1
    )


def experiment_command(name: str, setting: str) -> str:
    """The command that runs pipelines/NAME with another value, such as train.batch_size=64.

    >>> experiment_command("shop", "train.seed=7")
    'dvc exp run pipelines/shop/dvc.yaml -S pipelines/shop/params.yaml:train.seed=7'
    """
    folder = f"pipelines/{name}"
    return f"dvc exp run {folder}/dvc.yaml -S {folder}/params.yaml:{setting}"


def render_dvc(pattern: str, name: str, *, source_file: bool = True) -> str:
    """The dvc.yaml of pipelines/NAME from the dvc.yaml of the root.

    Commands run at the root (`wdir`) and get the folder as their argument; every path that is not
    code lies in the folder. Paths of the top-level plots are relative to the file already.

    Parameters
    ----------
    pattern : str
        Text of the root's dvc.yaml.
    name : str
        Name of the pipeline.
    source_file : bool
        data.source is a file, on which ingest then depends; False: an embedded or synthetic name.
    """
    yaml = round_trip_yaml()
    root = yaml.load(pattern)
    content = CommentedMap()
    content["vars"] = [{"folder": f"pipelines/{name}"}]
    content["stages"] = stages = CommentedMap(
        {name: _stage(stage, source_file) for name, stage in root["stages"].items()}
    )
    if "plots" in root:
        content["plots"] = root["plots"]
    content.yaml_set_start_comment(
        f"The pipeline of this folder: dvc repro pipelines/{name}/dvc.yaml\n"
        "Made from the dvc.yaml of the root by `python -m spline_lstm init`; commands run at the root."
    )
    for mapping, keys in ((content, [*content][1:]), (stages, [*stages][1:])):
        for key in keys:
            mapping.yaml_set_comment_before_after_key(key, before="\n")
    # Where the pattern's own blank line came along there are two.
    return re.sub(r"\n{3,}", "\n\n", dump_yaml(yaml, content))


def _stage(stage: Mapping[str, Any], source_file: bool) -> CommentedMap:
    moved = CommentedMap()
    for key, value in stage.items():
        if key == "cmd":
            moved["cmd"] = f"{value} ${{folder}}"
            moved["wdir"] = "../.."
        elif key == "params":
            moved["params"] = [CommentedMap({"${folder}/params.yaml": list(value)})]
        elif key == "deps":
            moved["deps"] = [_moved(path) for path in value if path != SOURCE_FOLDER]
            if SOURCE_FOLDER in value and source_file:
                moved["deps"].append("${folder}/${data.source}")
        elif key in ("outs", "metrics", "plots"):
            moved[key] = [_moved_output(entry) for entry in value]
        else:
            moved[key] = value
    return moved


def _moved(path: str) -> str:
    return path if path.startswith(CODE) else f"${{folder}}/{path}"


def _moved_output(entry: str | Mapping[str, Any]) -> str | CommentedMap:
    if isinstance(entry, str):
        return _moved(entry)
    return CommentedMap({_moved(path): options for path, options in entry.items()})


def cached_outputs(pattern: str) -> list[str]:
    """Outputs that DVC keeps instead of git, relative to the pipeline folder."""
    stages = YAML(typ="safe", pure=True).load(pattern)["stages"].values()
    return [path for stage in stages for path in stage.get("outs", []) if isinstance(path, str)]


def _check_folder(folder: Path, content: bytes, where: str) -> None:
    """What was written is read as the stages read it: the folder works, or is not left behind."""
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    read_raw_table(
        content, schema, where=where, sort=params.data.sort, duplicates=params.data.duplicates
    )


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _summary(folder: Path, csv: Path, proposal: Proposal, *, outside: bool) -> str:
    width = max(map(len, proposal.decisions))
    lines = [f"{folder.as_posix()} is ready for {csv}:"]
    lines += [f"  {what:<{width}}  {text}" for what, text in proposal.decisions.items()]
    remarks: Sequence[str] = proposal.questions
    if outside:
        remarks = [
            *remarks,
            f"the file lies outside the repository, where experiments in temporary copies do not find it: "
            f"copy it to {SOURCE_FOLDER}/ to run those",
        ]
    if remarks:
        lines += ["Check:", *(f"  - {text}" for text in remarks)]
    lines += [
        f"Everything is written in {folder.as_posix()}/params.yaml and {SCHEMA_FILE}; change it there.",
        f"Next: dvc repro {folder.as_posix()}/dvc.yaml",
        f"      git add {folder.as_posix()}; git commit; then experiments with other values:",
        f"      {experiment_command(folder.name, 'train.batch_size=64')}",
    ]
    return "\n".join(lines)
