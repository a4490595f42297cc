"""Which code and params a comparison belongs to, as one content id: a later commit can be held against it."""

from typing import Any

from ruamel.yaml import YAML

from spline_lstm.artifacts import content_id, sha256_of_file
from spline_lstm.comparison.matrix import STAGES, Run
from spline_lstm.comparison.repository import Place
from spline_lstm.params import load_params

CODE = ("spline_lstm/", "stages/")


def code_id(place: Place) -> str:
    """Content id of the code, the params and the schema that decide the deterministic cells of the table.

    The params that the runs set themselves do not count, nor do those of the command tune.
    """
    params = load_params(place.path)
    content: dict[str, Any] = params.model_dump(mode="json", exclude={"tune"})
    for key in Run("", "", 0).settings:
        section, name = key.split(".")
        del content[section][name]
    schema = sha256_of_file(place.path / params.data.schema_file)
    code = {path: sha256_of_file(place.root / path) for path in code_files(place)}
    return content_id(content, schema, code)


def code_files(place: Place) -> list[str]:
    """The code that the stages of a comparison depend on, as dvc.yaml names it."""
    text = (place.path / "dvc.yaml").read_text(encoding="utf-8")
    stages = YAML(typ="safe").load(text)["stages"]
    named = {path for stage in STAGES for path in stages[stage]["deps"] if path.startswith(CODE)}
    return sorted(named)
