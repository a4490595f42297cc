"""Whether DVC watches the file of data.source: a file that it does not watch may change unseen."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spline_lstm.core.errors import ArtifactError, ParamsError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.tables.sources import EMBEDDED, SYNTHETIC

STAGE = "ingest"


def check_watched(pipeline: Pipeline, source: str) -> None:
    """Check that dvc.yaml, if there is one, makes stage ingest depend on the file of a source.

    `dvc repro` runs a stage again only if what it depends on has changed.

    Raises
    ------
    ParamsError
        The file lies outside of all dependencies of the stage.
    ArtifactError
        dvc.yaml is not valid.
    """
    if source in EMBEDDED or source in SYNTHETIC or not pipeline.dvc_yaml.is_file():
        return
    file = _absolute(pipeline.folder / source)
    if any(file.is_relative_to(path) for path in _dependencies(pipeline, source)):
        return
    place = pipeline.source_folder
    target = place / file.name
    words = [shlex.quote(str(each)) for each in (place, pipeline.folder / source, target)]
    raise ParamsError(
        f"data.source {source} lies outside of what stage {STAGE} of {pipeline.dvc_yaml} depends "
        "on, so that dvc repro would not notice when it changes; bring it in: "
        f"mkdir -p {words[0]} && cp {words[1]} {words[2]} && dvc add {words[2]}, and set "
        f"data.source: {target.relative_to(pipeline.folder).as_posix()}"
    )


def _dependencies(pipeline: Pipeline, source: str) -> Iterator[Path]:
    """Absolute paths that stage ingest depends on."""
    try:
        content = YAML(typ="safe", pure=True).load(pipeline.dvc_yaml.read_text(encoding="utf-8"))
        stage = content["stages"][STAGE]
        listed = [next(iter(each)) if isinstance(each, dict) else each for each in stage["deps"]]
    except (YAMLError, KeyError, TypeError, StopIteration) as error:
        raise ArtifactError(
            f"{pipeline.dvc_yaml} has no stage {STAGE} with deps ({type(error).__name__}); restore "
            "it from git"
        ) from None
    values = _values(content) | {"data.source": source}
    base = pipeline.folder / stage.get("wdir", ".")
    for text in listed:
        path = re.sub(r"\$\{([^}]+)\}", lambda name: values.get(name[1], name[0]), text)
        yield _absolute(base / path)


def _values(content: Mapping[str, Any]) -> dict[str, str]:
    """The `vars` of a dvc.yaml that are texts."""
    entries = (entry for entry in content.get("vars") or () if isinstance(entry, dict))
    return {str(name): str(value) for entry in entries for name, value in entry.items()}


def _absolute(path: Path) -> Path:
    """The path without ``..``; links are not followed, as DVC does not."""
    return Path(os.path.normpath(path.absolute()))
