"""The files of a comparison: metrics/comparison.csv, .json and plots/comparison.html, .md, .png."""

from typing import Any

from spline_lstm.core.artifacts import read_json, sha256_of_file, write_json, write_text
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import COMPARISON_FILES, TrackedPipeline
from spline_lstm.experiments.code_id import code_id
from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.report import comparison_document, csv_text
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown
from spline_lstm.reporting.style import save_png

TABLE, SUMMARY, MARKDOWN, _, PAGE = FILES = COMPARISON_FILES


def write(pipeline: TrackedPipeline, result: Comparison) -> None:
    """Write all files, the summary last: if it exists, so do the others."""
    folder, document = pipeline.folder, comparison_document(result)
    (folder / SUMMARY).unlink(missing_ok=True)
    write_text(folder / TABLE, csv_text(result))
    write_text(folder / PAGE, to_html(document))
    write_text(folder / MARKDOWN, to_markdown(document))
    for picture in document.pictures:
        save_png(picture.figure, pipeline.plots / f"{picture.name}.png")
    write_json(folder / SUMMARY, summary(result) | {"files": hashes(pipeline)})


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


def hashes(pipeline: TrackedPipeline) -> dict[str, str]:
    """File -> SHA-256 of its content, for each file that exists, but the summary."""
    files = [file for file in FILES if file != SUMMARY and (pipeline.folder / file).is_file()]
    return {file: sha256_of_file(pipeline.folder / file) for file in files}


def is_current(pipeline: TrackedPipeline, commit: str, revisions: dict[str, str]) -> bool:
    """Whether the files were written from these experiments, and not changed since."""
    try:
        written = read_json(pipeline.folder / SUMMARY)
    except ArtifactError:
        # Missing or damaged: to be written again.
        return False
    found = (written.get("commit"), written.get("experiments"), written.get("files"))
    return found == (commit, revisions, hashes(pipeline))


def _argument(pipeline: TrackedPipeline) -> list[str]:
    """The folder, as `compare` is given it at the root."""
    return [pipeline.relative.as_posix()] if pipeline.name else []


def check_code(pipeline: TrackedPipeline) -> str:
    """Check that the comparison in the workspace is from the code and params in the workspace.

    Raises
    ------
    ArtifactError
        It is from other code or params, its files were changed, or there is none.
    """
    command = " ".join(["python -m spline_lstm compare", *_argument(pipeline)])
    remedy = f"commit, then run `{command}` and commit what it writes"
    if not (pipeline.folder / SUMMARY).is_file():
        raise ArtifactError(f"{pipeline.folder / SUMMARY} is missing; {remedy}")
    written, now = read_json(pipeline.folder / SUMMARY), code_id(pipeline)
    if written.get("code") != now:
        raise ArtifactError(
            f"{pipeline.folder / SUMMARY} is from code and params {written.get('code')}, but the "
            f"workspace has {now}; {remedy}"
        )
    present, recorded = hashes(pipeline), written.get("files") or {}
    changed = [
        file for file in FILES if file != SUMMARY and present.get(file) != recorded.get(file, "")
    ]
    if changed:
        raise ArtifactError(
            f"{pipeline.folder / changed[0]} is not what the comparison wrote; {remedy}"
        )
    return f"{pipeline.inside(TABLE)} is from this code and these params ({now})"
