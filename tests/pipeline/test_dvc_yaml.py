"""dvc.yaml against the code: what a stage names must be what it uses."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from spline_lstm.core.params import Params
from spline_lstm.core.section import known_keys
from tools.dvc_deps import with_code_deps
from tools.import_closure import ROOT, import_closure

PIPELINES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "dvc.yaml", *ROOT.glob("pipelines/*/dvc.yaml"))
)


def read(path: str) -> dict:
    return YAML(typ="safe").load((ROOT / path).read_text(encoding="utf-8"))


def stages():
    return [
        (path, name, stage) for path in PIPELINES for name, stage in read(path)["stages"].items()
    ]


def names_of(entries) -> list[str]:
    """Paths or keys of a list whose entries are texts or one-key mappings."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


@pytest.mark.parametrize("path", PIPELINES)
def test_deps_name_exactly_the_files_that_each_stage_imports(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert with_code_deps(text) == text, "run python -m tools.dvc_deps"


@pytest.mark.parametrize(
    ("path", "name", "stage"), stages(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_params_of_a_stage_exist_and_every_stage_says_what_it_does(path, name, stage):
    keys = [
        key
        for entry in stage["params"]
        for key in (entry if isinstance(entry, str) else "").split() or sum(entry.values(), [])
    ]
    assert set(keys) <= set(known_keys(Params)), f"{path}: stage {name}"
    assert stage["desc"]


# Commands of their own: they start the pipeline with other params, and no output of a stage depends on them.
NO_STAGE = ("compare", "tune")


@pytest.mark.parametrize("path", PIPELINES)
def test_every_param_belongs_to_a_stage(path):
    used = set()
    for stage in read(path)["stages"].values():
        for entry in stage["params"]:
            used |= {entry} if isinstance(entry, str) else set(sum(entry.values(), []))
    for key in known_keys(Params):
        if key.split(".")[0] in NO_STAGE:
            assert not any(name.split(".")[0] in NO_STAGE for name in used)
            continue
        prefixes = {
            key[: len(prefix)] for prefix in used if key == prefix or key.startswith(prefix + ".")
        }
        holds_used = any(prefix.startswith(key + ".") for prefix in used)
        assert prefixes or holds_used, f"{path}: no stage names the param {key}"


@pytest.mark.parametrize(
    ("path", "name", "stage"), stages(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_small_files_stay_in_git_without_switching_off_the_run_cache(path, name, stage):
    for entry in stage.get("outs", []):
        assert isinstance(entry, str) or name == "report", (
            f"{path}: stage {name}: outs take no options"
        )
    for entry in [*stage.get("metrics", []), *stage.get("plots", [])]:
        assert next(iter(entry.values())) == {"cache": False}
    assert not {"always_changed", "frozen"} & set(stage)


@pytest.mark.parametrize("path", PIPELINES)
def test_files_that_modules_read_beside_their_code_are_deps_of_the_stages_that_import_them(path):
    for template in (ROOT / "spline_lstm").rglob("*.jinja"):
        name = template.relative_to(ROOT).as_posix()
        readers = {
            module.relative_to(ROOT).as_posix()
            for module in template.parent.glob("*.py")
            if template.name in module.read_text(encoding="utf-8")
        }
        users = {
            stage
            for stage, content in read(path)["stages"].items()
            if readers & set(content["deps"])
        }
        assert users
        assert users == {
            stage for stage, content in read(path)["stages"].items() if name in content["deps"]
        }


def test_stage_scripts_are_small():
    for path in sorted((ROOT / "stages").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 100, path.name


def test_closure_sees_imports_inside_functions(tmp_path, monkeypatch):
    package = tmp_path / "stages"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("def f():\n    from stages import two\n")
    (package / "two.py").touch()
    monkeypatch.setattr("tools.import_closure.ROOT", Path(tmp_path))
    assert import_closure("stages.one") == {"stages/__init__.py", "stages/one.py", "stages/two.py"}
