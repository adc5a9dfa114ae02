"""Dates of birth, credentials and telephones as offices and support desks write them, and what only looks like them."""

from __future__ import annotations

import pytest

from assets.silver.redact import NUMBERED, spans_of


def found(text: str, language: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in spans_of(text, language, NUMBERED)]


@pytest.mark.parametrize(
    ("language", "text", "kind", "value"),
    [
        ("de", "Verletzt wurde der Fahrer, geb. 05/1991, am linken Knie.", "DATE_OF_BIRTH", "05/1991"),
        ("de", "Geburtstage im Mai: Mandy Lorenz (3.5.1985)", "DATE_OF_BIRTH", "3.5.1985"),
        ("de", "Hans Kühn (12. Mai 1921 – 3. Juli 2001) war Maler.", "DATE_OF_BIRTH", "12. Mai 1921"),
        ("de", "Unser Sohn wurde am 3.5.1990 geboren.", "DATE_OF_BIRTH", "3.5.1990"),
        ("en", "My son was born on 1 May 2014.", "DATE_OF_BIRTH", "1 May 2014"),
        ("de", "Das Passwort für das Lager ist Kirsche-Winter-42.", "SECRET", "Kirsche-Winter-42"),
        ("de", "Konto mmeier, Erstkennwort S0nnenblume!27, bitte ändern", "SECRET", "S0nnenblume!27"),
        ("de", "Benutzer: mmeier\nPasswort: Sonnenblume", "SECRET", "Sonnenblume"),
        ("de", "Zugangscode Garage: 4478# bis März", "SECRET", "4478#"),
        ("en", "the door code is 5093, come in", "SECRET", "5093"),
        ("en", "wifi Casa_Luna / tequila4ever", "SECRET", "tequila4ever"),
        ("en", "I typed Sunflower7-now as my passphrase", "SECRET", "Sunflower7-now"),
        ("en", "I changed it to Green-Frog-31! and the login still fails", "SECRET", "Green-Frog-31!"),
        ("de", "Der Code für das Hoftor lautet 8813. Bitte schließen.", "SECRET", "8813"),
        ("de", "Tresorkombination ist 12-44-81", "SECRET", "12-44-81"),
        ("de", "mTAN: 118822 für Ihre Überweisung", "SECRET", "118822"),
        ("en", "The combination to the safe is 18-30-07.", "SECRET", "18-30-07"),
        ("en", "Your verification code is 884120", "SECRET", "884120"),
        ("en", 'the passphrase is "seven green ladders" for now', "SECRET", "seven green ladders"),
        ("en", "The login is admin / Xk82mmQz! on both", "SECRET", "Xk82mmQz!"),
        ("de", "12.12.2015 (geb.), Kitaplatz ab 01.08.2025", "DATE_OF_BIRTH", "12.12.2015"),
        ("de", "Ich bin unter 0791234567 zu Hause.", "PHONE", "0791234567"),
    ],
)
def test_what_offices_write(language: str, text: str, kind: str, value: str) -> None:
    assert found(text, language) == [(kind, value)]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The idea was born on 3 May 2019 in a bar."),
        ("de", "Der 1981 geborene Patient wurde am 3. Mai 2024 operiert."),
        ("de", "Code für Deutschland: 276, der Fehlercode ist 4711."),
        ("en", "The combination of 12-24-36 teeth is common; the area code is 2125."),
        ("en", "The login is free / no account needed."),
        ("en", "Version 2 was born on 1 May 2024."),
        ("de", "Geboren wurde die Idee am 3. Mai 2019."),
        ("de", "Die Idee zu diesem Fest wurde am 3. Mai 2019 geboren."),
        ("de", "Der Bericht (12. Mai 2021) und der Vertrag (3.5.2020) liegen bei."),
        ("de", "Abrechnung 01/2026\n\nSteuerklasse 3"),
        ("en", "Your case number is 00931847. Anything else?"),
        ("en", "Password: required\nUsername: string"),
        ("de", "Das Passwort für das Portal ist abgelaufen. Passwort: vergessen?"),
        ("en", "Set it to automatic and log in again; the error code is 4093."),
    ],
)
def test_what_only_looks_like_it(language: str, text: str) -> None:
    assert found(text, language) == []
