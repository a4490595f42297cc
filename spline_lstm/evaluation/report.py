"""plots/report.md: an evaluation for people, as Markdown, out of what the stages measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spline_lstm.evaluation.examples import evenly_spaced
from spline_lstm.evaluation.metrics import NAMES
from spline_lstm.evaluation.scores import MODEL

TABLE_METRICS = ("mae", "mse", "rmse", "robust_mape", "smape", "mase", "r2")
MOST_ROWS = 24


@dataclass(frozen=True)
class Report:
    """What a report tells, as plain content.

    Attributes
    ----------
    title : str
    forecast : mapping
        Label -> value: what was forecast (targets, lookback, horizon, windows per split, ...).
    scores : mapping
        Content of metrics/evaluate.json (`scores.finish`).
    step_rmse : mapping
        Name -> RMSE at each step (`scores.rmse_by_step`).
    train : mapping
        Content of metrics/train.json: `overfitting_warning` (bool), and for the warning's text
        `train_loss`, `validation_loss`, `best_epoch`.
    data_quality : mapping
        Label -> value.
    provenance : mapping
        Label -> value: run ids, seed, params of the model.
    plots : mapping
        Caption -> file name, relative to the report.
    unit : str
        Unit of the targets.
    """

    title: str
    forecast: Mapping[str, Any]
    scores: Mapping[str, Any]
    step_rmse: Mapping[str, Sequence[float] | np.ndarray] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    data_quality: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    plots: Mapping[str, str] = field(default_factory=dict)
    unit: str = "data units"


def render(report: Report) -> str:
    """The report as Markdown, with a final newline; warnings stand before everything else."""
    scores = report.scores
    blocks = [
        f"# {report.title}",
        *(_warning(text) for text in warnings_of(scores, report.train)),
        *_section("What was forecast", _facts(report.forecast)),
        *_section("Model against baselines", _comparison(scores, report.unit)),
        *_section("Error by step", _step_table(report.step_rmse, report.unit)),
        *_section("By target", _part_table("target", scores.get("targets", {}), at_least=2)),
        *_section("By series", _part_table("series", scores.get("series", {}), at_least=2)),
        *_section("Pictures", "\n\n".join(f"![{caption}]({name})" for caption, name in report.plots.items())),
        *_section("Data quality", _facts(report.data_quality)),
        *_section("Provenance", _facts(report.provenance)),
    ]
    return "\n\n".join(blocks) + "\n"


def warnings_of(scores: Mapping[str, Any], train: Mapping[str, Any]) -> list[str]:
    """What a reader must know first: a model that loses to a baseline, an overfitted model.

    Parameters
    ----------
    scores, train : mapping
        See `Report`.
    """
    warnings = []
    if scores.get("beats_baselines") is False:
        best = scores["best_baseline"]
        warnings.append(
            f"The model does not beat the baseline {_plain(best)}: RMSE {number(scores['rmse'])} against "
            f"{number(scores['baselines'][best]['rmse'])} of the baseline. Do not use this model."
        )
    if train.get("overfitting_warning") is True:
        warnings.append(
            f"The model is overfitted: validation loss {number(train.get('validation_loss'))} against training loss "
            f"{number(train.get('train_loss'))} at the best epoch ({number(train.get('best_epoch'))})."
        )
    return warnings


def number(value: Any) -> str:
    r"""A figure for people: four significant digits, a dash where it is not known.

    >>> [number(value) for value in (0.0123456, 21.98765, 12345.678, 0.00001234, 7, None, True, "a|b")]
    ['0.01235', '21.99', '12346', '1.234e-05', '7', '-', 'yes', 'a\\|b']
    """
    if value is None or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return _significant(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value) or "none"
    # A bar would end the cell of a table, a line break the table.
    return " ".join(str(value).split()).replace("|", "\\|")


def _significant(value: float) -> str:
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value:.4g}"
    return f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"


def _warning(text: str) -> str:
    return f"> [!WARNING]\n> **{text}**"


def _section(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _facts(facts: Mapping[str, Any]) -> str:
    return "\n".join(f"- {_plain(label)}: {number(value)}" for label, value in facts.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, first column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def _metric_table(first: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    header = (first, *(NAMES[key] for key in TABLE_METRICS))
    return _table(header, [(name, *(number(row.get(key)) for key in TABLE_METRICS)) for name, row in rows.items()])


def _comparison(scores: Mapping[str, Any], unit: str) -> str:
    rows = {f"**{MODEL}**": scores} | {_plain(name): row for name, row in scores.get("baselines", {}).items()}
    lines = [
        _metric_table("", rows),
        f"MAE and RMSE in {unit}, MSE in their square, robust MAPE and sMAPE in percent. Bias of the model "
        f"(mean of forecast - observed): {number(scores.get('bias'))}. In z-scores: MSE {number(scores.get('z_mse'))}, "
        f"MAE {number(scores.get('z_mae'))}.",
    ]
    if "best_baseline" in scores:
        best = _plain(scores["best_baseline"])
        lines.append(f"Skill, 1 - RMSE / RMSE of the best baseline ({best}): {number(scores['skill'])}.")
    return "\n\n".join(lines)


def _step_table(step_rmse: Mapping[str, Sequence[float] | np.ndarray], unit: str) -> str:
    if not step_rmse:
        return ""
    header = ("step", *(_plain(name) for name in step_rmse))
    steps = evenly_spaced(len(next(iter(step_rmse.values()))), MOST_ROWS)
    rows = [(str(step + 1), *(number(float(values[step])) for values in step_rmse.values())) for step in steps]
    return f"RMSE in {unit}.\n\n" + _table(header, rows)


def _part_table(first: str, parts: Mapping[str, Mapping[str, Any]], at_least: int) -> str:
    """Metrics of the model on each part, the largest RMSE first when there are too many to show."""
    if len(parts) < at_least:
        return ""
    if len(parts) <= MOST_ROWS:
        return _metric_table(first, parts)
    names = sorted(parts, key=lambda name: -(parts[name].get("rmse") or 0.0))[:MOST_ROWS]
    shown = f"The {MOST_ROWS} of {len(parts)} with the largest RMSE."
    return f"{shown}\n\n" + _metric_table(first, {name: parts[name] for name in names})
