"""Make an experiment the state of the workspace: params, lock, metrics, plots, data and models.

``dvc exp apply`` restores the outputs of every pipeline of the repository and fails if one was
never run. Here the tracked files come from git, and DVC restores only the outputs of this
pipeline's stages.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from spline_lstm.core.artifacts import write_text
from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import Params, parse_params
from spline_lstm.core.pipeline import WALL_CLOCK, Pipeline, TrackedPipeline
from spline_lstm.core.yaml_files import dump_yaml, round_trip_yaml, with_values_of
from spline_lstm.experiments.clone import environment
from spline_lstm.experiments.code_id import code_paths
from spline_lstm.experiments.driver import check_settings
from spline_lstm.experiments.git import baselines_of, check_ready, file_at, git, tracked_changes
from spline_lstm.experiments.runs import STAGES, parse_name

ARTIFACT = "forecaster"


def promote(pipeline: TrackedPipeline, name: str) -> str:
    """Take an experiment into the workspace; return what was done, and the commands to keep it.

    Raises
    ------
    ExperimentError
        There is no such experiment, it belongs to another pipeline folder, its params differ from
        its name, the code has changed since it was run, its files are not in the DVC cache, or the
        workspace has uncommitted changes.
    """
    commit = check_ready(pipeline)
    baseline, revision = find_experiment(pipeline, commit, name)
    paths = changed_by(pipeline, baseline, revision)
    check_unchanged(pipeline, name, baseline, commit, paths)
    check_own(pipeline, name, baseline, revision, paths)
    params_file = pipeline.folder / "params.yaml"
    before = params_file.read_text(encoding="utf-8")
    if paths:
        git(pipeline.root, "restore", f"--source={revision}", "--worktree", "--", *paths)
    if pipeline.inside("params.yaml") in paths:
        write_text(params_file, with_values_of(before, params_file.read_text(encoding="utf-8")))
    checkout(pipeline)
    params = parse_params(
        file_at(pipeline.root, revision, pipeline.inside("params.yaml")).decode("utf-8"), name
    )
    dvc_yaml = pipeline.folder / "dvc.yaml"
    write_text(dvc_yaml, with_artifact(dvc_yaml.read_text(encoding="utf-8"), name, params))
    left_out = [stage for stage in YAML(typ="safe").load(dvc_yaml)["stages"] if stage not in STAGES]
    outdated = [stage for stage in left_out if not is_up_to_date(pipeline, stage)]
    tracked = " ".join(
        pipeline.inside(path)
        for path in ("params.yaml", "dvc.yaml", "dvc.lock", "metrics", "plots")
    )
    return (
        f"{name} is in the workspace ({len(paths)} tracked files, data and models); "
        f"{pipeline.inside('dvc.yaml')} names it as the artifact {ARTIFACT}. Keep it:\n"
        f"{_repro_line(pipeline, outdated)}"
        f"  git add {tracked}\n"
        f"  git commit --message 'Promote {name}'\n"
        "  dvc push  # if a remote is set\n"
        "or drop it:\n"
        f"  git restore --source=HEAD --worktree -- {pipeline.relative.as_posix()}\n"
        f"  dvc checkout {pipeline.inside('dvc.yaml')}"
    )


def find_experiment(pipeline: TrackedPipeline, commit: str, name: str) -> tuple[str, str]:
    """Baseline and commit of the experiment, at HEAD or at the nearest of its ancestors."""
    found = baselines_of(pipeline, name)
    if commit in found:
        return commit, found[commit]
    for ancestor in git(pipeline.root, "rev-list", commit).split() if found else ():
        if ancestor in found:
            return ancestor, found[ancestor]
    folder = f" {pipeline.relative.as_posix()}" if pipeline.name else ""
    raise ExperimentError(
        f"no experiment {name} starts from this commit or one before it; `python -m spline_lstm "
        f"show --all{folder}` lists those there are, `python -m spline_lstm compare{folder}` runs "
        "those of the comparison, `dvc exp pull REMOTE` brings one that was pushed"
    )


def _repro_line(pipeline: TrackedPipeline, outdated: Sequence[str]) -> str:
    """The command that brings outdated stages up to date; "" if there are none."""
    if not outdated:
        return ""
    stages = ", ".join(outdated)
    return (
        f"  dvc repro {pipeline.inside('dvc.yaml')}  # {stages}: still from the previous params\n"
    )


def check_own(
    pipeline: TrackedPipeline, name: str, baseline: str, revision: str, paths: Sequence[str]
) -> None:
    """Raise ExperimentError if an experiment is of another pipeline, or not what its name says."""
    run = parse_name(name)
    foreign = [f"it changed {path}" for path in paths if not _is_inside(pipeline, path)]
    if run and run.pipeline != pipeline.name:
        foreign.insert(
            0, f"its name says {f'pipelines/{run.pipeline}' if run.pipeline else 'the root'}"
        )
    if foreign:
        raise ExperimentError(
            f"{name} is not an experiment of the pipeline in {pipeline.relative.as_posix()}: "
            f"{foreign[0]}; give its own folder: python -m spline_lstm promote {name} FOLDER"
        )
    if run:
        check_settings(pipeline, run, revision, baseline)


def _is_inside(pipeline: TrackedPipeline, path: str) -> bool:
    if pipeline.relative == Path():
        return not path.startswith("pipelines/")
    return path.startswith(f"{pipeline.relative.as_posix()}/")


def changed_by(pipeline: TrackedPipeline, baseline: str, revision: str) -> list[str]:
    """Tracked files that the experiment changed, and clocked ones measured again here."""
    changed = git(pipeline.root, "diff", "--name-only", "-z", baseline, revision).split("\0")
    measured = [pipeline.inside(path) for path in ("dvc.lock", *WALL_CLOCK)]
    here = [path for path in tracked_changes(pipeline.root) if path in measured]
    return sorted({path for path in changed if path} | set(here))


def check_unchanged(
    pipeline: TrackedPipeline, name: str, baseline: str, commit: str, paths: list[str]
) -> None:
    """Raise ExperimentError if files of the experiment, or code of its stages, changed since."""
    if baseline == commit:
        return
    concerned = [
        *paths,
        *code_paths(pipeline),
        pipeline.inside("params.yaml"),
        pipeline.inside("dvc.lock"),
    ]
    later = git(pipeline.root, "diff", "--name-only", baseline, commit, "--", *concerned).split()
    if later:
        raise ExperimentError(
            f"{name} was run from commit {baseline[:10]}, but {', '.join(later[:3])} changed "
            f"since then ({plural(len(later), 'file')}); run `python -m spline_lstm compare` again "
            "(what is unchanged comes from the cache)"
        )


def is_up_to_date(pipeline: TrackedPipeline, stage: str) -> bool:
    """Whether a stage was run, by dvc.lock, with the params, data and code of the workspace."""
    done = _dvc(pipeline, "status", "--json", _target(pipeline, stage))
    if done.returncode:
        reason = " ".join(done.stderr.split())
        raise ExperimentError(
            f"dvc status failed in {pipeline.root}: {reason}; run `dvc status` to see more"
        )
    return not json.loads(done.stdout)


def _target(pipeline: TrackedPipeline, stage: str) -> str:
    return stage if pipeline.relative == Path() else f"{pipeline.inside('dvc.yaml')}:{stage}"


def _dvc(pipeline: TrackedPipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(  # noqa: S603
        command,
        cwd=pipeline.root,
        env=environment(pipeline),
        capture_output=True,
        text=True,
        check=False,
    )


def checkout(pipeline: TrackedPipeline) -> None:
    """Bring the outputs of the pipeline's stages from the DVC cache into the workspace."""
    done = _dvc(
        pipeline, "checkout", "--force", "--quiet", *(_target(pipeline, stage) for stage in STAGES)
    )
    if done.returncode:
        reason = " ".join(done.stderr.split())
        raise ExperimentError(
            f"params, metrics and plots are in the workspace, but some outputs are not in the DVC "
            f"cache: {reason}; dvc repro {pipeline.inside('dvc.yaml')} makes them again"
        )


def _model_file(params: Params) -> str:
    """The exported file that counts; another one, or the weights, if it is not exported."""
    formats, wanted = params.export.formats, params.compare.format
    if not formats:
        return Pipeline().best_weights.as_posix()
    kind = wanted if wanted in formats else formats[0]
    return (Pipeline().exported / f"model.{kind}").as_posix()


def with_artifact(text: str, name: str, params: Params) -> str:
    """The text of a dvc.yaml with the artifact entry of a promoted experiment; others stay."""
    yaml = round_trip_yaml()
    content = yaml.load(text)
    new = "artifacts" not in content
    labels = CommentedSeq(
        [params.model.type, params.preprocess.feature_mode, params.compare.format]
    )
    labels.fa.set_flow_style()
    entry = CommentedMap(
        {
            "path": _model_file(params),
            "type": "model",
            "desc": f"Promoted from the experiment {name}",
            "labels": labels,
        }
    )
    content["artifacts"] = content.get("artifacts") or CommentedMap()
    content["artifacts"][ARTIFACT] = entry
    if new:
        content.yaml_set_comment_before_after_key("artifacts", before="\n")
    return dump_yaml(yaml, content)
