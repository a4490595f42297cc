"""dvc.yaml against the code: what a stage names must be what it uses."""

import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from spline_lstm.core.figures import FIGURES, later_stages
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.section import known_keys
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.parts import TASKS
from tools.dvc_deps import code_deps, with_code_deps
from tools.import_closure import ROOT, import_closure, imports_of

PIPELINES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "dvc.yaml", *ROOT.glob("pipelines/*/dvc.yaml"))
)
CODE = ("spline_lstm/", "stages/")


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
    task = load_params((ROOT / path).parent).task
    assert with_code_deps(text, task) == text, "run python -m tools.dvc_deps"


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


# Sections of commands, which start the pipeline with other params, and of how tasks run: no output
# of a stage depends on them.
NO_STAGE = ("compare", "tune", "store", "run")
# Sections of a stage that not every pipeline has.
OF_STAGES = {
    "backtest": "backtest",
    "benchmark": "benchmark",
    "export": "export",
    "trees": "train-trees",
    "ensemble": "train-trees",
    "probability": "train-trees",
}
# Sections of one task, named like it.
OF_TASKS = ("direction", "tabular")
# Sections that a task does without: its stages read nothing of them.
UNUSED = {"tabular": {"preprocess", "target", "window", "ensemble", "probability"}}
# The exception: meta.json tells other tools which models may be trained.
TOLD = {"compare.models"}


@pytest.mark.parametrize("path", PIPELINES)
def test_every_param_belongs_to_a_stage(path):
    used, found = set(), read(path)["stages"]
    task = load_params((ROOT / path).parent).task
    others = {*OF_TASKS, *UNUSED.get(task, ())} - {task}
    for stage in found.values():
        for entry in stage["params"]:
            used |= {entry} if isinstance(entry, str) else set(sum(entry.values(), []))
    for key in known_keys(Params):
        section = key.split(".")[0]
        if section in others or OF_STAGES.get(section, "window") not in found:
            continue
        if key.split(".")[0] in NO_STAGE:
            assert not any(name.split(".")[0] in NO_STAGE for name in used - TOLD)
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
def test_code_deps_are_the_stages_script_and_whole_folders_with_all_their_files(path):
    for name, stage in read(path)["stages"].items():
        code = [dep for dep in names_of(stage["deps"]) if dep.startswith(CODE)]
        scripts = [dep for dep in code if dep.endswith(".py")]
        assert scripts == [f"stages/{name.replace('-', '_')}.py"]
        assert all((ROOT / dep / "__init__.py").is_file() for dep in code if dep not in scripts)


def test_dvc_yaml_shows_the_flow_and_not_the_imports():
    lines = (ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 340
    assert len([line for line in lines if line.strip(" -").startswith(CODE)]) <= 54


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


def test_a_stage_depends_on_its_own_parts_of_the_task_and_on_no_others():
    window, train, report = (
        {dep.removeprefix("spline_lstm/") for dep in code_deps(f"stages.{name}", "forecast")[1:]}
        for name in ("window", "train_flax_rnn", "report")
    )
    assert window == {"core", "tasks", "windows"}
    assert train == {"core", "models", "tasks", "training", "windows"}
    assert report == {"core", "evaluation", "reporting", "tasks"}


def test_deps_follow_the_parts_of_the_pipelines_task(monkeypatch):
    other = dataclasses.replace(FORECAST, windows="spline_lstm.tables.raw_table:read_raw_table")
    monkeypatch.setitem(TASKS, "other", other)
    assert "spline_lstm/tables" in code_deps("stages.window", "other")
    assert "spline_lstm/tables" not in code_deps("stages.window", "forecast")


def test_a_part_of_the_task_must_be_named_by_a_literal(tmp_path):
    module = tmp_path / "one.py"
    module.write_text('part = "loss"\nload_part(params, part)\n')
    with pytest.raises(ValueError, match="load_part"):
        imports_of(module)


@pytest.mark.parametrize("path", PIPELINES)
def test_a_failed_run_removes_every_metric_and_plot_of_dvc_yaml(path):
    content = read(path)["stages"]

    def inside(entries) -> set[str]:
        own = path.removesuffix("dvc.yaml")
        return {each.removeprefix("${folder}/").removeprefix(own) for each in names_of(entries)}

    writes = {
        name: set().union(*(inside(stage.get(key, ())) for key in ("outs", "metrics", "plots")))
        for name, stage in content.items()
    }
    reads = {name: inside(stage["deps"]) for name, stage in content.items()}

    def after(name: str) -> set[str]:
        readers = {other for other in content if writes[name] & reads[other]}
        return readers.union(*(after(reader) for reader in readers))

    assert [name for name in FIGURES if name in content] == list(content)
    for name, stage in content.items():
        assert later_stages(name) & set(content) == after(name), name
        shown = inside(stage.get("metrics", ())) | inside(stage.get("plots", ()))
        own = {path for path in FIGURES[name] if path in writes[name]}
        assert shown <= own, name
        others = set().union(*(writes[other] for other in content if other != name))
        assert not set(FIGURES[name]) & others, name


def test_no_figure_is_removed_that_no_pipeline_has():
    written = {
        path.removeprefix("${folder}/").removeprefix(file.removesuffix("dvc.yaml"))
        for file in PIPELINES
        for stage in read(file)["stages"].values()
        for key in ("outs", "metrics", "plots")
        for path in names_of(stage.get(key, ()))
    }
    assert set().union(*FIGURES.values()) <= written
