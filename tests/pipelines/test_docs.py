"""Documentation is true: its examples run, its links lead somewhere, every command and setting stands in it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer

from assets.bronze.policy import OwnAccess, Policies, Policy
from pipelines.cli.entry import application
from pipelines.settings import PipelineSettings
from tests.pipelines.conftest import Place

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
PAGES = {path.relative_to(REPOSITORY): path.read_text() for path in REPOSITORY.glob("docs/*.md")} | {
    Path("README.md"): README
}
OPERATING = PAGES[Path("docs/operating.md")]
LINK = re.compile(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)")


def anchors(page: str) -> set[str]:
    """Anchors of the headings of a page, as they are made by whoever shows it."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


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


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(PAGES[page]):
        path = (REPOSITORY / page.parent / target).resolve() if target else REPOSITORY / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text()), f"{target}#{anchor}"


def test_the_example_of_the_library_runs(ingested: Place) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGES[Path("docs/library.md")], re.DOTALL)
    given = (
        "from retrieval import Principal, Retriever\n"
        "question, principal = 'Pufferspeicher', Principal(user='ada', tenant='nordwind')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", given + program], env=ingested.environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", [Path("README.md"), Path("docs/content.md")], ids=str)
def test_the_policies_shown_are_complete(page: Path, tmp_path: Path) -> None:
    (text,) = re.findall(r"^ *```yaml\n(.*?)^ *```", PAGES[page], re.DOTALL | re.MULTILINE)
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "_policy.yaml").write_text(textwrap.dedent(text))
    policy = Policies(tmp_path).resolve("blog/a.md", OwnAccess())
    assert isinstance(policy, Policy)
    assert policy.ttl_days == 365


def test_every_command_is_documented() -> None:
    command = typer.main.get_command(application())
    names = list(command.commands)  # type: ignore[attr-defined]
    assert [name for name in names if f"`knowledge {name}`" not in OPERATING] == []


def test_every_setting_is_documented() -> None:
    missing = [name for name in PipelineSettings.model_fields if f"`KNOWLEDGE_{name.upper()}`" not in OPERATING]
    assert missing == []
