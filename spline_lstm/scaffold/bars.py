"""From a file of daily bars to a pipeline of the task direction: its columns are found by name."""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import listed
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.propose import Proposal, propose
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.summary import Plan
from spline_lstm.scaffold.user_files import UserFiles

# Role -> names of its column, without case, blanks and marks.
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "open": ("open", "openprice", "o", "first"),
        "high": ("high", "highprice", "h", "max"),
        "low": ("low", "lowprice", "l", "min"),
        "close": ("close", "closeprice", "c", "last", "price"),
        "volume": ("volume", "vol", "v", "volumeshares", "turnovershares"),
        "adjusted_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted", "adj"),
    }
)
SYMBOLS = ("symbol", "ticker", "series", "name", "code", "isin", "instrument")
OPTIONAL = "adjusted_close"
# The settings of pipelines/direction beside those of its data.
VALUES: Mapping[str, Any] = MappingProxyType(
    {
        "task": "direction",
        "preprocess.feature_mode": "multivariate",
        "target.scaled": False,
        "window.lookback": 20,
        "window.horizon": 1,
        "model.type": "attention_lstm",
        "model.hidden": [64, 64],
        "model.dropout": 0.2,
        "model.normalization": "none",
        "model.segment": 1,
        "model.head_units": 32,
        "train.loss": "bce",
        "train.learning_rate": 0.001,
        "train.weight_decay": 0.0,
        "train.batch_size": 32,
        "train.max_epochs": 50,
        "train.patience": 10,
        "train.schedule": "plateau",
        "train.plateau_patience": 5,
        "backtest.folds": 8,
        "backtest.test": 0.1,
        "compare.feature_modes": ["multivariate"],
    }
)
# What the data decide.
OF_DATA = (
    "data.sort",
    "data.duplicates",
    "data.time_zone",
    "preprocess.frequency",
    "preprocess.holidays",
    "preprocess.week_mask",
    "preprocess.min_rows",
)


def bars_plan(files: UserFiles, content: bytes, where: str, options: Options) -> Plan:
    """What a file of daily bars proposes, with the values of the overlay.

    Raises
    ------
    UsageError
        A column is not there or may be one of several: one line for each; or as in `propose`.
    """
    if files.schema is not None:
        raise UsageError("--schema does not go with --task direction; name columns with --column")
    table = read_table(content, where, options)
    columns = list(map(str, table.cells))
    roles = roles_of(columns, options.columns, where)
    target = roles.get(OPTIONAL, roles["close"])
    told = replace(
        options,
        targets=(target,),
        layout="long",
        series=options.series or symbol_column(columns),
        frequency=options.frequency or "observed",
        # Whether days are missing is for the task to say: it has no grid.
        max_missing=1.0,
    )
    proposal = propose(table, where, told)
    return plan_of(proposal, roles, files.overlay, target)


def roles_of(columns: list[str], named: Mapping[str, str], where: str) -> dict[str, str]:
    """Role -> column; `named` are those that the user named."""
    unknown = [f"{role}={name}" for role, name in named.items() if name not in columns]
    if unknown:
        raise UsageError(
            f"{where} has no column of --column {listed(unknown)}; its columns: {listed(columns)}"
        )
    found, problems = dict(named), []
    for role, names in NAMES.items():
        if role in named:
            continue
        fitting = [name for name in columns if plain(name) in names]
        if len(fitting) == 1:
            found[role] = fitting[0]
        elif fitting:
            problems.append(
                f"{listed([repr(name) for name in fitting])} may each be the {words(role)}; say "
                f"which with --column {role}=NAME"
            )
        elif role != OPTIONAL:
            problems.append(
                f"no column of the {words(role)} ({names[0]}, {names[1]}, ...); name it with "
                f"--column {role}=NAME"
            )
    if problems:
        raise UsageError(f"{where} has the columns {listed(columns)}; {'; '.join(problems)}")
    return found


def symbol_column(columns: list[str]) -> str | None:
    """The column that tells symbols apart, if one has such a name."""
    return next((name for name in columns if plain(name) in SYMBOLS), None)


def plain(name: str) -> str:
    """A name without case, blanks and marks, and without a number before it.

    >>> plain("Adj. Close*"), plain("4. close")
    ('adjclose', 'close')
    """
    return re.sub(r"^\s*\d+\.|[^a-z0-9]", "", name.lower())


def words(role: str) -> str:
    """A role as it is read: adjusted close."""
    return role.replace("_", " ")


def plan_of(
    proposal: Proposal, roles: Mapping[str, str], overlay: Mapping[str, Any], target: str
) -> Plan:
    """The settings of the task for the columns that were found."""
    found = proposal.found
    schema = dict(proposal.schema)
    schema["dynamic_covariates"] = [
        {"name": name, "dtype": "float", "required": True}
        for name in dict.fromkeys(roles.values())
        if name != target
    ]
    schema["calendar_features"] = {"enabled": False, "features": []}
    schema["static_covariates"] = []
    columns = {f"direction.columns.{role}": roles.get(role) for role in NAMES}
    of_data = {key: proposal.values[key] for key in OF_DATA if key in proposal.values}
    kept = {*roles.values(), target, found.roles.series, *found.roles.timestamps.columns}
    decisions = {
        "table": f"{len(found.table.cells)} rows",
        "days": f"column {listed(list(map(repr, found.roles.timestamps.columns)))}",
        "symbols": _symbols(proposal),
        **{words(role): repr(name) for role, name in roles.items()},
        "left out": listed([repr(name) for name in found.columns if name not in kept]) or "none",
        "label": "1 if the return over the next 5 days is above 3 % (section direction)",
    }
    questions = (
        ()
        if OPTIONAL in roles
        else ("there is no adjusted close: splits and dividends in the close look like moves",)
    )
    values = {**VALUES, **of_data, **columns, **overlay}
    return Plan(schema, values, decisions, questions)


def _symbols(proposal: Proposal) -> str:
    roles = proposal.found.roles
    if roles.series is None:
        return "one (no column of symbols)"
    return f"{len(roles.names)} of column {roles.series!r}: {listed(list(roles.names))}"
