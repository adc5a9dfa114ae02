"""Labels of other data sets are known or reported, never a reason to fail."""

from __future__ import annotations

import pytest

from benchmarks.pii.labels import type_of
from benchmarks.pii.score import Example, score


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("B-PER", "PERSON"),
        ("NAME_1", "PERSON"),
        ("STREET_ADDRESS", "ADDRESS"),
        ("IBAN_CODE", "IBAN"),
        ("Geburtsdatum", "DATE_OF_BIRTH"),
        ("US_SSN", None),
        ("LOCderiv", None),
        ("organization-company", None),
    ],
)
def test_labels_of_other_sets(label: str, kind: str | None) -> None:
    assert type_of(label) == (kind, True)


def test_an_unknown_label_is_counted_and_left_out() -> None:
    scores = score([Example("1", "de", "Der Kahn heißt Molly.", ((15, 20, "SHIP"),))])
    assert scores.unknown == {"SHIP": 1}
