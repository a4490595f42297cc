"""The files of a comparison: metrics/comparison.csv, .json and plots/comparison.html, .md, .png."""

from typing import Any

from spline_lstm.core.artifacts import read_json, sha256_of_file, write_json, write_text
from spline_lstm.core.errors import ArtifactError
from spline_lstm.experiments.code_id import code_id
from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.git import Place
from spline_lstm.experiments.report import comparison_document, csv_text
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown
from spline_lstm.reporting.style import save_png

SUMMARY = "metrics/comparison.json"
TABLE = "metrics/comparison.csv"
FILES = (TABLE, SUMMARY, "plots/comparison.md", "plots/comparison.png", "plots/comparison.html")


def write(place: Place, result: Comparison) -> None:
    """Write all files, the summary last: if it exists, so do the others."""
    folder, document = place.path, comparison_document(result)
    (folder / SUMMARY).unlink(missing_ok=True)
    write_text(folder / TABLE, csv_text(result))
    write_text(folder / "plots/comparison.html", to_html(document))
    write_text(folder / "plots/comparison.md", to_markdown(document))
    for picture in document.pictures:
        save_png(picture.figure, folder / f"plots/{picture.name}.png")
    write_json(folder / SUMMARY, summary(result) | {"files": hashes(place)})


def summary(result: Comparison) -> dict[str, Any]:
    """What other programs read: which code, which experiments, who won."""
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
    """File -> SHA-256 of its content, for each file that exists, but the summary."""
    files = [file for file in FILES if file != SUMMARY and (place.path / file).is_file()]
    return {file: sha256_of_file(place.path / file) for file in files}


def is_current(place: Place, commit: str, revisions: dict[str, str]) -> bool:
    """Whether the files were written from these experiments, and not changed since."""
    try:
        written = read_json(place.path / SUMMARY)
    except ArtifactError:
        # Missing or damaged: to be written again.
        return False
    found = (written.get("commit"), written.get("experiments"), written.get("files"))
    return found == (commit, revisions, hashes(place))


def check_code(place: Place) -> str:
    """Check that the comparison in the workspace is from the code and params in the workspace.

    Raises
    ------
    ArtifactError
        It is from other code or params, its files were changed, or there is none.
    """
    remedy = "commit, then run `python -m spline_lstm compare` and commit what it writes"
    if not (place.path / SUMMARY).is_file():
        raise ArtifactError(f"{place.path / SUMMARY} is missing; {remedy}")
    written, now = read_json(place.path / SUMMARY), code_id(place)
    if written.get("code") != now:
        raise ArtifactError(
            f"{place.path / SUMMARY} is from code and params {written.get('code')}, but the "
            f"workspace has {now}; {remedy}"
        )
    present, recorded = hashes(place), written.get("files") or {}
    changed = [
        file for file in FILES if file != SUMMARY and present.get(file) != recorded.get(file, "")
    ]
    if changed:
        raise ArtifactError(f"{place.path / changed[0]} is not what the comparison wrote; {remedy}")
    return f"{place.inside(TABLE)} is from this code and these params ({now})"
