"""`--help` teaches: what a command does, the default of each option, examples to paste."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from spline_lstm.__main__ import COMMANDS, main, parser
from tests.builders import ROOT


def help_of(command: str, capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def examples(command: str, capsys) -> list[list[str]]:
    """The words of each example, without comment and redirection."""
    text = help_of(command, capsys).partition("examples:\n")[2].replace("\\\n", " ")
    lines = [shlex.split(line.split("  #")[0].split(" > ")[0]) for line in text.splitlines()]
    return [line for line in lines if line]


def options(command: str) -> list[argparse.Action]:
    (commands,) = parser(command)._subparsers._group_actions
    return [
        action
        for action in commands.choices[command]._actions
        if not isinstance(action, argparse._HelpAction)
    ]


def test_every_module_of_cli_is_a_command_and_the_reverse():
    modules = {path.stem for path in (ROOT / "spline_lstm/cli").glob("*.py")}
    assert modules - {"__init__", "arguments"} == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_the_command_in_sentences(command, capsys):
    text = help_of(command, capsys)
    described = text.partition("\n\n")[2].partition("\n\n")[0]
    assert len(described.split()) >= 15
    assert described.endswith(".")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_the_default_of_every_option(command, capsys):
    text = " ".join(help_of(command, capsys).partition("examples:")[0].split())
    optional = [option for option in options(command) if not option.required]
    assert all(option.help for option in options(command))
    defaults = re.findall(r"\(default: ([^)]+)\)", text)
    assert len(defaults) == len(optional)
    assert not {"None", "[]", "False", "."} & set(defaults)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_fit_the_command_line_and_one_of_them_is_of_this_command(command, capsys):
    found = examples(command, capsys)
    own = [line for line in found if line[:4] == ["python", "-m", "spline_lstm", command]]
    assert own
    for line in found:
        if line[:3] == ["python", "-m", "spline_lstm"]:
            called = line[3]
            assert parser(called).parse_args(line[3:]).run
        else:
            assert line[0] in ("git", "dvc")


@pytest.mark.parametrize("command", COMMANDS)
def test_files_and_folders_of_examples_exist_in_a_clone_or_are_made_by_dvc(command, capsys):
    made = (
        "data/raw/series.csv",
        "models/edge/",
        "plots/tuning.patch",
        "pipelines/stores/plots/",
        "pipelines/tabular/models/edge/",
    )
    yours = ("demand.csv", "ETTh1.csv", "forecast.csv", "Europe/Berlin")
    for line in examples(command, capsys):
        for word in line:
            if "/" in word and not word.startswith(made) and word not in yours:
                assert (ROOT / Path(word)).exists(), word


@pytest.mark.parametrize("text", ["tab", "\\t", "\t"])
def test_a_tab_can_be_named(text):
    arguments = parser("init").parse_args(["init", "x", "--csv", "f", "--separator", text])
    assert arguments.separator == "\t"
