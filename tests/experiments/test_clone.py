"""Private clones: what DVC sees of a repository, and what comes back from an experiment."""

import pytest

from spline_lstm.experiments.clone import fetch_experiment, private_clones
from spline_lstm.experiments.git import commit_files, exp_ref, find_pipeline, git, tree_of

SIBLING = "pipelines/other/dvc.yaml"
NEEDED = "pipelines/needed/out.csv, notebooks"


@pytest.fixture
def pipeline(tmp_path):
    """A repository of two commits with pipelines in three folders, of which one reads another."""
    files = {
        "dvc.yaml": f"stages: {{train: {{cmd: a, deps: [{NEEDED}]}}}}\n",
        "dvc.lock": "schema: '2.0'\n",
        "params.yaml": "{}  # docs/what.md says more, pipelines/other/dvc.yaml too\n",
        SIBLING: "stages: {}\n",
        "pipelines/other/dvc.lock": "schema: '2.0'\n",
        "pipelines/other/code.py": "pass\n",
        "pipelines/needed/dvc.yaml": "stages: {}\n",
        "docs/what.md": "What it is.\n",
        "notebooks/read.csv": "1\n",
        "spline_lstm/docs/kept.py": "pass\n",
        ".dvc/config": "",
        ".gitignore": ".dvc/config.local\n/.cache\n",
    }
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for key, value in (("user.name", "A Person"), ("user.email", "a@example.org")):
        git(tmp_path, "config", key, value)
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--allow-empty-message", "--message", "")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "second\n\nwith a body")
    return find_pipeline(tmp_path)


def head(pipeline):
    return git(pipeline.root, "rev-parse", "HEAD").strip()


def test_each_clone_has_one_commit_without_the_pipelines_that_are_not_needed(pipeline):
    commit = head(pipeline)
    with private_clones(pipeline, commit, 2) as clones:
        assert len({clone.folder for clone in clones}) == 2
        for clone in clones:
            assert git(clone.folder, "rev-list", "HEAD").split() == [clone.commit]
            assert git(clone.folder, "status", "--porcelain") == ""
            assert git(clone.folder, "fsck", "--unreachable", "--no-reflogs") == ""
            # Commit, folders and files of its own, and none of the history.
            packed = git(clone.folder, "count-objects", "-v").partition("in-pack: ")[2]
            reachable = git(clone.folder, "rev-list", "--objects", "HEAD").splitlines()
            assert int(packed.split()[0]) == len(reachable)
            assert git(clone.folder, "rev-list", "--all", "HEAD").split() == [clone.commit]
            listed = set(git(clone.folder, "ls-files").split())
            whole = set(git(pipeline.root, "ls-files").split())
            assert whole - listed == {SIBLING, "pipelines/other/dvc.lock", "docs/what.md"}
    assert not any(clone.folder.exists() for clone in clones)
    assert git(pipeline.root, "status", "--porcelain", "--", "pipelines") == ""


def test_an_experiment_comes_back_whole_and_on_top_of_the_real_commit(pipeline):
    commit = head(pipeline)
    with private_clones(pipeline, commit, 1) as (clone,):
        assert not fetch_experiment(clone, pipeline, commit, "wide")
        (clone.folder / "params.yaml").write_text("train: {seed: 7}\n")
        (clone.folder / "new.json").write_text("{}\n")
        git(clone.folder, "add", ".")
        git(clone.folder, "commit", "--quiet", "--message", "dvc: commit experiment")
        git(clone.folder, "update-ref", exp_ref(clone.commit, "wide"), "HEAD")
        assert fetch_experiment(clone, pipeline, commit, "wide")
    ref = exp_ref(commit, "wide")
    assert git(pipeline.root, "rev-list", "--max-count=2", ref).split()[1] == commit
    assert git(pipeline.root, "diff", "--name-status", commit, ref).split() == [
        *("A", "new.json"),
        *("M", "params.yaml"),
    ]
    assert git(pipeline.root, "log", "-1", "--format=%an %ae %s", ref).strip() == (
        "A Person a@example.org dvc: commit experiment"
    )


def test_a_commit_keeps_people_times_and_message_of_the_one_it_is_like(pipeline):
    root, commit = pipeline.root, head(pipeline)
    again = commit_files(root, tree_of(root, commit), commit, parent=f"{commit}^")
    assert again == commit
