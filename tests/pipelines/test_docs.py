"""Documentation is true: its examples run, and every command and setting stands in it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipelines.cli.entry import application
from pipelines.settings import PipelineSettings
from tests.pipelines.conftest import Place

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
OPERATING = (REPOSITORY / "docs" / "operating.md").read_text()


def test_the_readmes_program_answers(ingested: Place) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-c", program], env=ingested.environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "planungshandbuch-waermepumpen.pdf#page=2" in result.stdout


def test_the_readmes_question_is_answered(ingested: Place) -> None:
    (line,) = re.findall(r"^    \.venv/bin/knowledge (search .*)$", README, re.MULTILINE)
    result = ingested.run(*shlex.split(line))
    assert result.exit_code == 0
    assert "20 Litern" in result.output


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", README))))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (REPOSITORY / link).exists()


def test_every_command_is_documented() -> None:
    command = typer.main.get_command(application())
    names = list(command.commands)  # type: ignore[attr-defined]
    assert [name for name in names if f"`knowledge {name}`" not in OPERATING] == []


def test_every_setting_is_documented() -> None:
    missing = [name for name in PipelineSettings.model_fields if f"`KNOWLEDGE_{name.upper()}`" not in OPERATING]
    assert missing == []
