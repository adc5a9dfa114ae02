"""The home remembers its inbox, and its settings serve pipeline and library alike."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli.homes import exported, pipeline_settings, record_inbox
from pipelines.settings import PipelineSettings
from retrieval.errors import ConfigurationError
from retrieval.settings import PIPELINE_NAMES, Settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KNOWLEDGE_INBOX", "KNOWLEDGE_HOME"):
        monkeypatch.delenv(name, raising=False)


def _settings(home: Path, inbox: str = "/srv/inbox") -> PipelineSettings:
    return pipeline_settings(home, Path(inbox))


def test_the_library_passes_over_settings_of_the_pipeline_and_no_others(tmp_path: Path) -> None:
    assert set(PipelineSettings.model_fields) - set(Settings.model_fields) == PIPELINE_NAMES
    (tmp_path / "settings.toml").write_text('inbox = "/srv/inbox"\nk_max = 50\n')
    assert Settings.load(home=tmp_path).k_max == 50
    (tmp_path / "settings.toml").write_text('inboks = "/srv/inbox"\n')
    with pytest.raises(ConfigurationError, match="inboks"):
        Settings.load(home=tmp_path)


def test_the_first_inbox_is_recorded_and_found_again(tmp_path: Path) -> None:
    assert record_inbox(_settings(tmp_path))
    assert pipeline_settings(tmp_path).inbox == Path("/srv/inbox")
    assert not record_inbox(_settings(tmp_path, "/srv/other"))
    assert pipeline_settings(tmp_path).inbox == Path("/srv/inbox")


def test_what_stands_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    before = "# ours\nk_max = 50 # enough\n"
    file.write_text(before)
    file.chmod(0o640)
    assert record_inbox(_settings(tmp_path))
    assert file.read_text() == f'inbox = "/srv/inbox"\n{before}'
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_an_inbox_of_the_environment_is_found_again_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWLEDGE_INBOX", "/srv/inbox")
    assert record_inbox(pipeline_settings(tmp_path))
    monkeypatch.delenv("KNOWLEDGE_INBOX")
    assert pipeline_settings(tmp_path).inbox == Path("/srv/inbox")


@pytest.mark.parametrize("settings", [Settings, PipelineSettings])
def test_a_misspelt_variable_is_named_and_others_are_left_alone(
    settings: type[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWLEDGE_PORT_5432_TCP", "tcp://10.0.0.1:5432")  # as Kubernetes tells of a service
    assert settings.load(home=tmp_path).pool_size == 8
    monkeypatch.setenv("KNOWLEDGE_POOLSIZE", "3")
    with pytest.raises(
        ConfigurationError, match="KNOWLEDGE_POOLSIZE is not a setting: did you mean KNOWLEDGE_POOL_SIZE"
    ):
        settings.load(home=tmp_path)


@pytest.mark.parametrize("name", ["home", "lake", "standby"])
def test_data_of_the_pipeline_may_not_lie_in_the_inbox(tmp_path: Path, name: str) -> None:
    apart = {"home": tmp_path / "home", "inbox": tmp_path / "inbox"}
    assert PipelineSettings.load(**apart, **({} if name == "home" else {name: str(tmp_path / "inbox2")}))
    assert PipelineSettings.load(**apart | {name: str(tmp_path / "inbox" / ".kb" / "x")})
    with pytest.raises(ConfigurationError, match=f"KNOWLEDGE_{name.upper()}.* lies in the inbox"):
        PipelineSettings.load(**apart | {name: str(tmp_path / "inbox" / "kb")})


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_name_comes_back_as_it_was(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inbox = f"/srv/{name}"
        settings = _settings(Path(folder), inbox)
        assert record_inbox(settings)
        written = (Path(folder) / "settings.toml").read_text(encoding="utf-8")
        assert tomllib.loads(written) == {"inbox": str(settings.inbox)}


def test_a_name_that_is_no_text_is_not_recorded(tmp_path: Path) -> None:
    assert not record_inbox(_settings(tmp_path, "/srv/\udcff"))
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_as_before_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWLEDGE_HOME", "/before")
    with exported(_settings(tmp_path)):
        assert PipelineSettings.load().home == tmp_path
        assert PipelineSettings.load().inbox == Path("/srv/inbox")
    import os

    assert os.environ["KNOWLEDGE_HOME"] == "/before"
    assert "KNOWLEDGE_INBOX" not in os.environ
