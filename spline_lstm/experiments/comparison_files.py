"""The files of a comparison: metrics/comparison.csv and .json, plots/comparison.md, .png and .html."""

from typing import Any

from spline_lstm.core.artifacts import read_json, sha256_of_file, write_json, write_text
from spline_lstm.core.errors import ArtifactError
from spline_lstm.experiments.code_id import code_id
from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.git import Place
from spline_lstm.experiments.page import page_text
from spline_lstm.experiments.plots import write_png
from spline_lstm.experiments.report import csv_text, markdown_text

SUMMARY = "metrics/comparison.json"
TABLE = "metrics/comparison.csv"
FILES = (TABLE, SUMMARY, "plots/comparison.md", "plots/comparison.png", "plots/comparison.html")


def write(place: Place, result: Comparison) -> None:
    """Write all files, the summary last: where it stands, the others do."""
    folder = place.path
    (folder / SUMMARY).unlink(missing_ok=True)
    write_text(folder / TABLE, csv_text(result))
    write_text(folder / "plots/comparison.md", markdown_text(result))
    write_png(result, folder / "plots/comparison.png")
    write_text(folder / "plots/comparison.html", page_text(result))
    write_json(folder / SUMMARY, summary(result) | {"files": hashes(place)})


def summary(result: Comparison) -> dict[str, Any]:
    """What other programs want to know: whose code, which experiments, who won."""
    verdict = result.verdict
    winners = {
        "accuracy": verdict.accuracy,
        "edge": verdict.edge,
        "recommended": verdict.recommended,
    }
    return {
        "commit": result.commit,
        "code": result.code,
        **{name: None if record is None else record.run.name for name, record in winners.items()},
        "reason": verdict.reason,
        "missing": result.missing,
        "experiments": {record.run.name: record.revision for record in result.records},
    }


def hashes(place: Place) -> dict[str, str]:
    """File -> SHA-256 of its content, of the files beside the summary that are there."""
    files = [file for file in FILES if file != SUMMARY and (place.path / file).is_file()]
    return {file: sha256_of_file(place.path / file) for file in files}


def is_current(place: Place, commit: str, revisions: dict[str, str]) -> bool:
    """Whether the files were written from exactly these experiments, and nobody changed them since."""
    try:
        written = read_json(place.path / SUMMARY)
    except ArtifactError:
        # Missing or damaged: it is written again.
        return False
    found = (written.get("commit"), written.get("experiments"), written.get("files"))
    return found == (commit, revisions, hashes(place))


def check_code(place: Place) -> str:
    """Say that the comparison in the workspace is from the code and params in the workspace.

    Raises
    ------
    ArtifactError
        It is from others, its files were changed since they were written, or there is none.
    """
    remedy = "commit, then run `python -m spline_lstm compare` and commit what it writes"
    if not (place.path / SUMMARY).is_file():
        raise ArtifactError(f"{place.path / SUMMARY} is missing; {remedy}")
    written, now = read_json(place.path / SUMMARY), code_id(place)
    if written.get("code") != now:
        raise ArtifactError(
            f"{place.path / SUMMARY} is of code and params {written.get('code')}, but the workspace holds {now}; "
            f"{remedy}"
        )
    present, former = hashes(place), written.get("files") or {}
    changed = [
        file for file in FILES if file != SUMMARY and present.get(file) != former.get(file, "")
    ]
    if changed:
        raise ArtifactError(f"{place.path / changed[0]} is not what the comparison wrote; {remedy}")
    return f"{place.inside(TABLE)} is from this code and these params ({now})"
