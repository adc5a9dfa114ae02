"""Texts of the blind set from templates and values; seeded, so that every machine writes the same."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.pii.blind import people, tokens, values
from benchmarks.pii.blind.values import Make, cut, digits, nonzero, of

_FILES = ("numbers.txt", "contacts.txt", "decoys.txt")
_LATER = "later.txt"
"""Written when the failures of one half had been seen, and those of the other not."""

_SLOT = re.compile(r"\{([A-Z][A-Z_0-9]*(?::[a-z]+)?|[a-z][a-z_0-9]*)\}")
DECOY = "DECOY"


@dataclass(frozen=True)
class Template:
    """A text with `{TYPE}` or `{TYPE:variant}` for values and `{small}` for what only fills.

    Attributes:
        group: the type it was written for, or `DECOY`.
        key: what its half is decided by.
    """

    group: str
    language: str
    text: str
    key: str

    @property
    def half(self) -> int:
        """0 or 1: one half was looked at while mending, the other only measured; 2 for those that were written later."""
        if self.key.startswith(_LATER):
            return 2
        return hashlib.sha256(self.key.encode()).digest()[0] & 1


class Row(NamedTuple):
    """A text with labelled spans: (start, end, label)."""

    id: str
    language: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


FRAMES = {
    "de": (
        "{L}: {V}", "{L} {V}", "{L}\n{V}", "{L}:\n\n{V}", "| {L} | {V} |", "{L}\t{V}", "- {L}: {V}", "**{L}:** {V}", "{V} ({L})", "{L} ........ {V}",
        "{L} = {V}", "Ihre Angaben:\n\nName\t{PERSON:de}\n{L}\t{V}\nDatum\t{date}", "| Name | {L} | Status |\n|---|---|---|\n| {PERSON:de} | {V} | aktiv |", "Name;{L};Status\n{PERSON:de};{V};aktiv",
        "Bitte prüfen Sie, ob Ihre Angabe „{L}: {V}“ noch stimmt.", "{PERSON:de}, {L} {V}", '{"{L}": "{V}"}', "<tr><td>{L}</td><td>{V}</td></tr>", "{L} des Antragstellers: {V}", "{L} – {V}",
        "1. {L}: {V}\n2. Ort: {town}", "[{L}] {V}", "> {L}: {V}", "{L} lautet {V}.", "Feld „{L}“ enthält {V}", "{L} : {V}",
    ),
    "en": (
        "{L}: {V}", "{L} {V}", "{L}\n{V}", "| {L} | {V} |", "{L}\t{V}", "- {L}: {V}", "**{L}:** {V}", "{V} ({L})", "{L} = {V}",
        "| Name | {L} | Status |\n|---|---|---|\n| {PERSON:en} | {V} | active |", "name,{L},status\n{PERSON:en},{V},active", "Please check whether your {L} is still {V}.", "{PERSON:en}, {L} {V}",
        '{"{L}": "{V}"}', "<tr><td>{L}</td><td>{V}</td></tr>", "The {L} is {V}.", "{L} – {V}", "Customer's {L}: {V}", "> {L}: {V}",
    ),
}  # fmt: skip
"""Layouts in which forms and tables name a value: L is its label."""

LABELS = {
    "de": {
        "EMAIL": ("E-Mail", "E-Mail-Adresse", "Mail"),
        "PHONE:de": (
            "Telefon",
            "Tel.",
            "Telefonnummer",
            "Handynummer",
            "Mobil",
            "Rufnummer",
            "Fax",
            "Mobilfunknummer",
            "Tel. privat",
            "Telefon dienstlich",
        ),
        "PHONE:atch": ("Telefon", "Tel.", "Handy", "Telefonnummer", "Mobile"),
        "IBAN": ("IBAN", "Kontonummer (IBAN)", "Bankverbindung", "Konto"),
        "CREDIT_CARD": ("Kreditkartennummer", "Kartennummer", "Kreditkarte", "Visa", "Mastercard"),
        "DE_TAX_ID": (
            "Steuer-ID",
            "Steueridentifikationsnummer",
            "IdNr.",
            "Steuer-IdNr.",
            "Identifikationsnummer",
            "Steuerliche Identifikationsnummer",
        ),
        "DE_TAX_NUMBER": (
            "Steuernummer",
            "St.-Nr.",
            "Steuer-Nr.",
            "StNr",
            "Steuernr.",
            "Steuernummer (Finanzamt)",
            "St.Nr.",
        ),
        "DE_VAT_ID": (
            "USt-IdNr.",
            "Umsatzsteuer-ID",
            "USt-ID",
            "UID-Nummer",
            "Umsatzsteuer-Identifikationsnummer",
            "VAT-ID",
        ),
        "DE_SOCIAL_SECURITY": (
            "Sozialversicherungsnummer",
            "SV-Nummer",
            "Rentenversicherungsnummer",
            "RVNR",
            "SV-Nr.",
            "Versicherungsnummer",
        ),
        "DE_HEALTH_INSURANCE": (
            "Krankenversichertennummer",
            "Versichertennummer",
            "KVNR",
            "Krankenversicherungsnummer",
            "Versicherten-ID",
            "KV-Nummer",
        ),
        "DE_ID_CARD": (
            "Personalausweisnummer",
            "Ausweisnummer",
            "Personalausweis-Nr.",
            "Nr. des Personalausweises",
            "Ausweis-Nr.",
            "Personalausweis",
        ),
        "DE_PASSPORT": (
            "Reisepassnummer",
            "Passnummer",
            "Reisepass-Nr.",
            "Pass-Nr.",
            "Reisepass",
            "Nr. des Reisepasses",
        ),
        "DE_DRIVING_LICENCE": (
            "Führerscheinnummer",
            "Führerschein-Nr.",
            "Nr. des Führerscheins",
            "Fahrerlaubnis-Nr.",
            "Führerschein",
        ),
        "DE_NUMBER_PLATE": (
            "Kennzeichen",
            "Kfz-Kennzeichen",
            "Amtliches Kennzeichen",
            "Autokennzeichen",
            "Kfz-Kz.",
            "Nummernschild",
            "Kennz.",
        ),
        "ADDRESS:de": (
            "Anschrift",
            "Adresse",
            "Wohnanschrift",
            "Lieferadresse",
            "Postanschrift",
            "Wohnort",
            "Privatadresse",
        ),
        "ADDRESS:atch": ("Adresse", "Anschrift", "Wohnadresse", "Domizil"),
        "DATE_OF_BIRTH:de": (
            "Geburtsdatum",
            "geb. am",
            "Geburtstag",
            "Geb.-Datum",
            "Geboren am",
            "Geburtsdatum Kind",
            "Geb.Dat.",
        ),
        "IP": ("IP-Adresse", "IP", "Client-IP", "Server-IP"),
    },
    "en": {
        "EMAIL": ("Email", "E-mail address", "email"),
        "PHONE:en": ("Phone", "Phone number", "Mobile", "Telephone", "Cell phone", "Fax", "Contact number"),
        "IBAN": ("IBAN", "Bank account", "Account number (IBAN)"),
        "CREDIT_CARD": ("Credit card", "Card number", "Credit card number", "Visa card", "Amex"),
        "DE_TAX_ID": ("Tax ID", "Tax identification number", "TIN", "Steuer-ID"),
        "DE_TAX_NUMBER": ("Tax number", "Steuernummer", "German tax number"),
        "DE_VAT_ID": ("VAT ID", "VAT number", "VAT registration number"),
        "DE_SOCIAL_SECURITY": ("Social security number", "Social insurance number", "Pension insurance number"),
        "DE_HEALTH_INSURANCE": ("Health insurance number", "Insurance ID", "KVNR"),
        "DE_ID_CARD": ("ID card number", "Identity card number", "National ID number", "ID number"),
        "DE_PASSPORT": ("Passport number", "Passport no.", "Passport"),
        "DE_DRIVING_LICENCE": (
            "Driving licence number",
            "Driver's license number",
            "Driver license",
            "Driving licence",
        ),
        "DE_NUMBER_PLATE": ("License plate", "Number plate", "Licence plate", "Vehicle registration"),
        "ADDRESS:en": ("Address", "Home address", "Mailing address", "Shipping address", "Residence"),
        "DATE_OF_BIRTH:en": ("Date of birth", "DOB", "Birth date", "Birthday", "Born"),
        "IP": ("IP address", "IP", "Client IP"),
    },
}


def _date(rng: random.Random) -> str:
    return f"{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.{rng.randint(1995, 2027)}"


def _ean(rng: random.Random, head: str = "40") -> str:
    body = head + digits(rng, 12 - len(head))
    return body + str(-sum(int(c) * (1, 3)[at % 2] for at, c in enumerate(body)) % 10)


def _isbn(rng: random.Random) -> str:
    return cut(_ean(rng, "9783"), [3, 1, 3, 5], rng.choice(("-", " ")))


def _hex(size: int) -> Make:
    return lambda rng: of(rng, "0123456789abcdef", size)


def _b64(size: int) -> Make:
    return lambda rng: base64.b64encode(rng.randbytes(size)).decode()


def _uuid(rng: random.Random) -> str:
    return cut(_hex(32)(rng), [8, 4, 4, 4], "-")


def _imei(rng: random.Random) -> str:
    return cut("35" + digits(rng, 13), [2, 6, 6], "-")


def _coords(rng: random.Random) -> str:
    north, east = rng.uniform(47, 55), rng.uniform(6, 15)
    return rng.choice(
        (
            f"{north:.6f}, {east:.6f}",
            f"{north:.4f}° N, {east:.4f}° O",
            f"{int(north)}°{rng.randint(0, 59)}'{rng.randint(0, 59)}\" N {int(east)}°{rng.randint(0, 59)}' E",
        )
    )


FILLERS: dict[str, Make] = {
    "firm": lambda r: r.choice(("Nordlicht Software GmbH", "Stadtwerke Seeblick AG", "Acme Industries Ltd", "Bäckerei am Dom KG", "Blaue Wolke e. V.", "Autohaus Westpark GmbH & Co. KG")),
    "town": lambda r: r.choice(("Hamburg", "Köln", "Leipzig", "Bremen", "Kassel", "Ulm", "Dresden", "Hannover")),
    "amount": lambda r: r.choice((f"{r.randint(1, 9)}.{digits(r, 3)},{digits(r, 2)} €", f"{r.randint(10, 990)},{digits(r, 2)} EUR", f"{r.randint(10, 990)},- Euro")),
    "date": _date,
    "date_en": lambda r: r.choice((f"{r.choice(people.MONTHS_EN)} {r.randint(1, 28)}, {r.randint(1950, 2026)}", f"{r.randint(1, 28)} {r.choice(people.MONTHS_EN)} {r.randint(1950, 2026)}", f"{r.randint(2000, 2026)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}")),
    "order": lambda r: r.choice((f"A-{digits(r, 6)}", f"2026-{digits(r, 5)}", f"{nonzero(r, 7)}", f"BE{digits(r, 8)}", f"{of(r, string.ascii_uppercase, 3)}-{digits(r, 4)}-{digits(r, 3)}")),
    "version": lambda r: f"{r.randint(0, 20)}.{r.randint(0, 40)}.{r.randint(0, 99)}",
    "v4": lambda r: f"{r.randint(1, 120)}.{r.randint(0, 40)}.{r.randint(0, 240)}.{r.randint(0, 240)}",
    "isbn": _isbn, "ean": _ean, "uuid": _uuid, "coords": _coords, "imei": _imei,
    "hex7": _hex(7), "hex32": _hex(32), "hex40": _hex(40), "hex64": _hex(64), "b64short": _b64(30), "b64long": _b64(360), "b64sha512": _b64(64),
    **{f"n{size}": partial(nonzero, count=size) for size in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)},
}  # fmt: skip


def _one_line(text: str) -> bool:
    return any(mark in text for mark in ("|", ";", "\t", '{"', "<t", "- {", "> {", "name,", "\\n"))


def makers() -> dict[str, Make]:
    """Slots of labelled values."""
    ip4 = _until(values.ip, lambda text: ":" not in text)
    ip6 = _until(values.ip, lambda text: ":" in text)
    ten = _until(values.id_card, lambda text: len(text) == 10 and text.isupper())
    made = values.registry() | people.registry()
    secrets: dict[str, Make] = {
        "SECRET:password": tokens.password,
        "SECRET:token": lambda rng: of(rng, string.ascii_letters + string.digits, 40),
        "SECRET:github": tokens.github,
    }
    return made | secrets | {"IP4": ip4, "IP6": ip6, "DE_ID_CARD:ten": ten, "URL_WITH_CREDENTIAL": tokens.url}


def _until(make: Make, fits: Callable[[str], bool]) -> Make:
    def made(rng: random.Random) -> str:
        while not fits(text := make(rng)):
            pass
        return text

    return made


def templates() -> Iterator[Template]:
    """Those of the files, and every label in every layout."""
    group = language = ""
    for name in (*_FILES, _LATER):
        for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                group, language = line[2:].split()
            elif line:
                yield Template(
                    group,
                    language,
                    line.replace("\\n", "\n").replace("\\t", "\t"),
                    f"{_LATER} {line}" if name == _LATER else line,
                )
    for language, types in LABELS.items():
        for slot, labels in types.items():
            for at, frame in enumerate(FRAMES[language]):
                for label in labels:
                    text = frame.replace("{L}", label).replace("{V}", f"{{{slot}}}")
                    yield Template(slot.split(":")[0], language, text, f"{slot} {language} layout {at}")


def rows(seed: int, half: int | None = None, each: int = 2) -> Iterator[Row]:
    """The texts of the set.

    Args:
        half: only templates of this half.
        each: values of each template written by hand and of each kind of secret; layouts get one.
    """
    made = makers()
    for number, template in enumerate(templates()):
        rng = random.Random(f"{seed} {template.key} {template.text}")
        if half is None or template.half == half:
            for turn in range(1 if " layout " in template.key else each):
                yield _filled(template, rng, made, f"blind-{template.group}-{number}-{turn}")
    for name, leak in tokens.kinds().items():
        template = Template("SECRET", "en", name, f"secret {name}")
        rng = random.Random(f"{seed} {name}")
        if half is None or template.half == half:
            for turn in range(3 * each):
                before, secret, after = leak(rng)
                language = (
                    "de" if re.search("[äöüß]|Bitte|Zur |Hier|Passwort|Kennwort|Zugang", before + after) else "en"
                )
                span = (len(before), len(before) + len(secret), "SECRET")
                yield Row(f"blind-SECRET-{name}-{turn}", language, before + secret + after, (span,))


def _filled(template: Template, rng: random.Random, made: dict[str, Make], name: str) -> Row:
    spans: list[tuple[int, int, str]] = []
    text, at = "", 0
    flat = _one_line(template.text)
    for slot in _SLOT.finditer(template.text):
        text += template.text[at : slot.start()]
        at = slot.end()
        if slot[1] in FILLERS:
            text += FILLERS[slot[1]](rng)
        elif slot[1] in made:
            value = made[slot[1]](rng)
            if flat:
                value = value.replace(",\n", ", ").replace("\n", " ").replace(" | ", ", ").replace("; ", ", ")
            label = slot[1].split(":")[0].rstrip("46")
            spans.append((len(text), len(text) + len(value), label))
            text += value
        else:
            text += slot[0]
    return Row(name, template.language, text + template.text[at:], tuple(spans))
