"""The page about the command line names the commands and options that there are."""

import re
import shlex
from pathlib import Path

import pytest

from mlkit.cli import make_parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = make_parser()[1]


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_the_page(page, command):
    for action in COMMANDS[command]._actions:
        for option in action.option_strings:
            assert option in ("-h", "--help") or option in page, option


def test_every_option_on_the_page_exists(page):
    known = {option for parser in COMMANDS.values() for action in parser._actions for option in action.option_strings}
    assert set(re.findall(r"`(--[a-z-]+)", page)) <= known | {"--help"}


def test_commands_on_the_page_are_understood(page):
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S) for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if "..." not in line]
    assert len(commands) >= 6
    for name, *arguments in commands:
        assert name == "mlkit"
        make_parser()[0].parse_args(arguments)
