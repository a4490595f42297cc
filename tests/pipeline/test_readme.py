"""The targets of make that README.md names; links and names in the documentation."""

import re
import shutil

import pytest

import spline_lstm
from tests.pipeline.conftest import Clone
from tools.import_closure import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Set-up, which runs this very suite; commands with names to fill in, and those on experiments of a
# whole comparison.
NOT_HERE = ("git clone", "cd ", "make")
OF_OTHERS = ("NAME", "gru-univariate-s42")


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    runnable = [line for line in lines if line and not line.startswith(("#", *NOT_HERE))]
    return [line for line in runnable if not any(mark in line for mark in OF_OTHERS)]


def make_targets() -> list[str]:
    return sorted(set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE)))


@pytest.fixture
def makefile(tmp_path):
    """A folder with what `make` reads, and no environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-all.lock"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return Clone(tmp_path)


def test_make_knows_the_targets_of_the_readme(makefile):
    assert {"repro", "test"} <= set(make_targets())
    for target in make_targets():
        makefile.run("make", "--dry-run", target)


def test_make_without_a_target_explains_itself(makefile):
    shown = makefile.run("make").stdout
    targets = ("env", "env-all", "repro", "test", "notebooks", "lint", "lock", "clean")
    assert all(f"make {target}" in shown for target in targets)


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_documentation_lead_to_files_and_headings(page):
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", page.read_text(encoding="utf-8"))
    for path, _, heading in (link.partition("#") for link in links):
        target = page.parent / path
        assert target.exists(), path
        if heading:
            titles = re.findall(r"(?m)^#+ (.+)$", target.read_text(encoding="utf-8"))
            assert heading in {title.lower().replace(" ", "-") for title in titles}


def test_the_map_of_the_documentation_names_every_page():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"]({name})" in text} == pages


def test_modules_named_in_the_documentation_exist():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"`((?:spline_lstm|tests|tools)/[\w/]+\.py)`", text)
        dotted = re.findall(r"`(spline_lstm(?:\.\w+){1,2})", text)
        public = {f"spline_lstm.{name}" for name in dir(spline_lstm)}
        named += [name.replace(".", "/") for name in dotted if name not in public]
        there = {
            name for name in named if (ROOT / name).exists() or (ROOT / f"{name}.py").is_file()
        }
        assert {*named} == there, page.name
