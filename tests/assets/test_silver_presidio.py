"""Presidio's recognizers beside ours: what they find, files that add to them, and what they cost."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assets.silver.document import Block, Document
from assets.silver.pii.extra import NONE, Extra, load_extra
from assets.silver.pii.presidio import PIECE
from assets.silver.redact import redact
from retrieval.errors import ConfigurationError, ModelError

OWN = r"""
recognizers:
  - name: staff
    supported_entity: EMPLOYEE_ID
    supported_languages:
      - {language: de, context: [personalnummer]}
      - {language: en, context: [employee]}
    patterns: [{name: digits, regex: '\bP-[0-9]{5}\b', score: 0.3}]
  - name: projects
    supported_entity: PROJECT
    supported_languages: [de, en]
    deny_list: [Kranich Süd]
  - {name: people, supported_entity: PERSON, supported_languages: [de], deny_list: [Otto Sommer, Quendolin]}
  - EmailRecognizer
  - IbanRecognizer
  - IpRecognizer
"""


def redacted(text: str, extra: Extra, language: str = "de") -> str:
    document = Document(text, (Block("paragraph", 0, len(text)),), "text/1", language=language)
    return redact(document, b"key", extra=extra).document.text


def extra_of(folder: Path, content: str) -> Extra:
    file = folder / "recognizers.yaml"
    file.write_text(content, encoding="utf-8")
    return load_extra(recognizers=file)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO"),
        ("489-36-8350", "US_SSN"),
        ("AB 12 34 56 C", "UK_NINO"),
        ("12345678Z", "ES_NIF"),
        ("X9613851N", "ES_NIE"),
        ("010594Y9032", "FI_PERSONAL_IDENTITY_CODE"),
    ],
)
@pytest.mark.parametrize("language", ["de", "en", "fr"])
def test_kinds_that_ours_do_not_know_are_found_by_presidio(value: str, kind: str, language: str) -> None:
    extra = load_extra()
    once = redacted(f"Siehe {value} unten.", extra, language)
    assert re.fullmatch(rf"Siehe <{kind}_[0-9a-f]{{10}}> unten\.", once)
    assert redacted(once, extra, language) == once


def test_what_both_find_has_our_pseudonym(tmp_path: Path) -> None:
    text = "IBAN DE02 1203 0000 0000 2020 51, Mail an otto.sommer@example.org, von 192.0.2.17, Gruß Otto Sommer"
    assert redacted(text, extra_of(tmp_path, OWN)) == redacted(text, NONE)


def test_a_file_adds_patterns_that_words_beside_decide_and_lists(tmp_path: Path) -> None:
    extra = extra_of(tmp_path, OWN)
    assert redacted("Ersatzteil P-12345 liegt im Lager.", extra) == "Ersatzteil P-12345 liegt im Lager."
    once = redacted("Personalnummer P-12345, Projekt Kranich Süd, Quendolin", extra)
    assert re.fullmatch(r"Personalnummer <EMPLOYEE_ID_\w+>, Projekt <PROJECT_\w+>, <PERSON_\w+>", once)
    assert redacted(once, extra) == once
    assert "<EMPLOYEE_ID_" in redacted("Employee P-12345", extra, "en")
    assert extra.version != load_extra().version, "another file redacts anew"
    assert extra_of(tmp_path, f"{OWN}  - {{name: x, supported_entity: X, deny_list: [x]}}\n").version != extra.version


def test_a_value_is_found_wherever_a_long_text_is_cut_and_in_linear_time() -> None:
    (recognizer,) = load_extra().recognizers
    value = "489-36-8350"
    for at in range(PIECE - 40, PIECE + 5):
        text = f"{'x ' * (at // 2)}{'x' * (at % 2)} {value} {'y ' * PIECE}"
        found = {(span.start, span.end) for span in recognizer.find(text, "en") if span.type == "US_SSN"}
        assert found == {(text.index(value), text.index(value) + len(value))}
    seconds = []
    for length in (2_000, 8_000):
        began = time.process_time()
        assert len({span.start for span in recognizer.find(f"{value}, " * length, "en")}) == length
        seconds.append(time.process_time() - began)
    assert seconds[1] < seconds[0] * 10 + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("recognizers: 3", "with a list"),
        ("a: [", "no YAML, see line"),
        ("recognizers: [NoSuchRecognizer]", "NoSuchRecognizer"),
        ("recognizers: [SpacyRecognizer]", "KNOWLEDGE_NAMES_DE"),
        ("recognizers: [{name: X, supported_entity: A1, deny_list: [a]}]", "capital letters"),
        ("recognizers: [{name: X, supported_entity: X, supported_language: fr, deny_list: [a]}]", "de or en"),
        ("recognizers: [{name: X, supported_entity: X, patterns: [{name: p, regex: '(', score: 1}]}]", "regex"),
        ("recognizers: [{name: X, supported_entity: X, patterns: [{name: p, regex: 'a', score: 7}]}]", "score"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        redacted("Text", extra_of(tmp_path, content))
    assert "recognizers.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_nobody_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_extra(recognizers=tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="KNOWLEDGE_PRESIDIO is false"):
        load_extra(presidio=False, recognizers=tmp_path / "none.yaml")


def test_a_pattern_that_takes_too_long_stops_the_run_instead_of_being_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern = "{name: slow, regex: '(a|aa)+$', score: 1}"
    extra = extra_of(tmp_path, f"recognizers: [{{name: X, supported_entity: X, patterns: [{pattern}]}}]")
    redacted("warm up", extra)
    monkeypatch.setattr("presidio_analyzer.pattern_recognizer.REGEX_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(ModelError, match="'slow' takes too long"):
        redacted("a" * 200 + "b", extra)


def test_presidio_brings_neither_torch_nor_transformers_and_asks_nobody(tmp_path: Path) -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_, **__): sys.exit('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from assets.silver.pii import presidio; from pathlib import Path\n"
        "file = Path(sys.argv[1]); file.write_text('recognizers: [EmailRecognizer]')\n"
        "found = [s.type for s in presidio.Presidio(file).find('mail to a.b@example.co.uk now', 'en')]\n"
        "assert found == ['EMAIL'], found\n"
        "sys.exit(', '.join({'torch', 'transformers'} & sys.modules.keys()) or 0)\n"
    )
    file = tmp_path / "recognizers.yaml"
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program, str(file)], check=True, cwd=root)
