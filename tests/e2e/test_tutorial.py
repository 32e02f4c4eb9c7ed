"""The tutorial: every command in it is run, and what it shows is what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

import console

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


@pytest.mark.slow
def test_every_command_of_the_tutorial_prints_what_the_tutorial_shows(environment, tmp_path):
    page = console.commands(TUTORIAL.read_text("utf-8"))
    # No place of the machine's own may stand in for one that the tutorial forgot to name.
    own = environment | {"HOME": str(tmp_path), "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    for name in ("STILLWATCH_KEY_FILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        own.pop(name, None)
    outcomes = console.run(page, tmp_path, own, seconds=1200)
    assert console.problems(page, outcomes) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "work"], "something was left outside the folder"


def test_the_tutorial_walks_from_the_account_to_the_seal():
    ran = {" ".join(word for word in command.text.split()[:3] if not word.startswith("-"))
           for command in console.commands(TUTORIAL.read_text("utf-8"))}
    for wanted in ("stillwatch key", "stillwatch simulate demo", "stillwatch case open", "stillwatch case note",
                   "stillwatch case remove-account", "stillwatch case dismiss", "stillwatch case confirm"):
        assert wanted in ran
    verbs = {words.split()[1] for words in ran if words.startswith("stillwatch ")}
    assert verbs >= {"scan", "explain", "expand", "diff", "report", "seal", "verify", "evaluate"}


def test_no_command_of_the_tutorial_hides_in_a_block_that_is_not_run():
    text = TUTORIAL.read_text("utf-8")
    assert text.count("```") == 2 * text.count("```console\n")
