"""The commands of README.md, run as they stand, in a temporary clone with tiny params."""

import re

from tools.import_closure import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Set-up, which runs this very suite; commands with names to fill in, and those on experiments of a whole comparison.
NOT_HERE = ("git clone", "cd ", "make")
OF_OTHERS = ("NAME", "gru-univariate-s42")


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    runnable = [line for line in lines if line and not line.startswith(("#", *NOT_HERE))]
    return [line for line in runnable if not any(mark in line for mark in OF_OTHERS)]


def make_targets() -> list[str]:
    return sorted(set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE)))


def test_make_knows_the_targets_of_the_readme(clone):
    assert {"repro", "test"} <= set(make_targets())
    for target in make_targets():
        clone.run("make", "--dry-run", target)


def test_make_without_a_target_explains_itself(clone):
    shown = clone.run("make").stdout
    assert all(f"make {target}" in shown for target in ("env", "repro", "test", "lint", "clean"))


def test_paths_of_the_readme_exist():
    named = re.findall(r"\]\((?!http|#)([^)]+)\)", README)
    assert [path for path in named if not (ROOT / path).exists()] == []
