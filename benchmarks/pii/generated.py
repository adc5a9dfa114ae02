"""Texts with numbers, addresses and secrets that nobody has, and with figures that only look like them.

Checksums are computed here, by functions of their own, so that a mistake of a recognizer is not repeated by its test.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator

from benchmarks.pii.score import Example

Make = Callable[[random.Random], str]

FIRST_WORDS = ("Guten Tag, ", "", "Hinweis: ", "Zur Akte. ", "Kurz notiert – ", "Re: ")
LAST_WORDS = ("", " Danke!", " Bitte prüfen.", "\nViele Grüße", " (Stand heute)", " – mehr dazu unten.")


def digits(r: random.Random, count: int) -> str:
    """That many random digits."""
    return "".join(r.choice(string.digits) for _ in range(count))


def luhn(body: str) -> str:
    """The body with its check digit."""
    total = sum(sum(divmod(int(c) * (2 - at % 2), 10)) for at, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def iso7064(body: str) -> str:
    """The body with its check digit by MOD 11, 10."""
    product = 10
    for c in body:
        product = ((int(c) + product) % 10 or 10) * 2 % 11
    return body + str((11 - product) % 10)


def card(r: random.Random) -> str:
    """A card of one of six issuers."""
    prefix, length = r.choice(
        (
            ("4", 16),
            ("51", 16),
            ("2221", 16),
            ("2699", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("36", 14),
            ("3528", 16),
        )
    )
    number = luhn(prefix + digits(r, length - len(prefix) - 1))
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(length, (4, 4, 4, 4))
    groups = [number[sum(sizes[:at]) : sum(sizes[: at + 1])] for at in range(len(sizes))]
    return r.choice(("", " ", "-", " ")).join(groups)


def iban(r: random.Random) -> str:
    """An account in one of eight countries, in any case and spacing."""
    country, length, letters = r.choice(
        (
            ("DE", 18, 0),
            ("AT", 16, 0),
            ("CH", 17, 0),
            ("NL", 10, 4),
            ("GB", 14, 4),
            ("FR", 23, 0),
            ("ES", 20, 0),
            ("LI", 17, 0),
        )
    )
    account = "".join(r.choice(string.ascii_uppercase) for _ in range(letters)) + digits(r, length)
    check = 98 - int("".join(str(int(c, 36)) for c in f"{account}{country}00")) % 97
    number = f"{country}{check:02d}{account}"
    style = r.randrange(5)
    if style == 1:
        number = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    elif style == 2:
        number = number.lower()
    elif style == 3:
        number = "-".join(number[at : at + 4] for at in range(0, len(number), 4)).lower()
    elif style == 4:
        number = f"{number[:4]} {number[4:12]} {number[12:]}"
    return number


def tax_id(r: random.Random) -> str:
    """Ten digits of which exactly one stands twice, and a check digit."""
    while True:
        chosen = r.sample(string.digits, 9)
        body = [*chosen, r.choice(chosen)]
        r.shuffle(body)
        if body[0] != "0":
            break
    number = iso7064("".join(body))
    return r.choice((number, f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"))


def vat_id(r: random.Random) -> str:
    """DE and nine digits."""
    number = iso7064(str(r.randrange(1, 10)) + digits(r, 7))
    return r.choice((f"DE{number}", f"DE {number}", f"DE {number[:3]} {number[3:6]} {number[6:]}"))


def social_security(r: random.Random) -> str:
    """Area, date of birth, letter, serial number, check digit."""
    head = f"{r.choice((2, 4, 8, 12, 15, 21, 53, 65)):02d}{r.randrange(1, 29):02d}{r.randrange(1, 13):02d}{r.randrange(40, 100):02d}"
    letter, serial = r.choice(string.ascii_uppercase), f"{r.randrange(100):02d}"
    plain = f"{head}{ord(letter) - 64:02d}{serial}"
    total = sum(sum(divmod(int(c) * w, 10)) for c, w in zip(plain, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    number = f"{head}{letter}{serial}{total % 10}"
    return r.choice((number, f"{number[:2]} {number[2:8]} {number[8]} {number[9:]}"))


def health_insurance(r: random.Random) -> str:
    """A letter, eight digits, a check digit."""
    letter, body = r.choice(string.ascii_uppercase), digits(r, 8)
    total = sum(sum(divmod(int(c) * (1 + at % 2), 10)) for at, c in enumerate(f"{ord(letter) - 64:02d}{body}"))
    return f"{letter}{body}{total % 10}"


def _serial(r: random.Random, first: str) -> str:
    return (
        r.choice(first)
        + "".join(r.choice("CFGHJKLMNPRTVWXYZ0123456789") for _ in range(3))
        + digits(r, 1)
        + "".join(r.choice("CFGHJKLMNPRTVWXYZ0123456789") for _ in range(4))
    )


def id_card(r: random.Random) -> str:
    """A serial number, in half of the cases with its check digit."""
    serial = _serial(r, "LMNPRTVWXY")
    check = sum(int(c, 36) * (7, 3, 1)[at % 3] for at, c in enumerate(serial)) % 10
    return serial + r.choice(("", str(check)))


def passport(r: random.Random) -> str:
    """The same of passports."""
    serial = _serial(r, "CFGHJK")
    check = sum(int(c, 36) * (7, 3, 1)[at % 3] for at, c in enumerate(serial)) % 10
    return serial + r.choice(("", str(check)))


def driving_licence(r: random.Random) -> str:
    """Authority, serial number, check character, copy."""
    authority = r.choice(string.ascii_uppercase) + digits(r, 3)
    serial = "".join(r.choice(string.ascii_uppercase + string.digits) for _ in range(5))
    return f"{authority}{serial}{r.choice('0123456789X')}{r.randrange(1, 9)}"


def number_plate(r: random.Random) -> str:
    """District, letters, figures."""
    district = r.choice(
        "B HH M K F S D DO E L DD HB H N BO W BI BN MS KA MA A WI GE MG AC KI HRO FR MZ ER GÖ TÜ LB KN OS".split()
    )
    letters = "".join(r.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(r.randrange(1, 3)))
    kind = r.choice(["", "", "", "", "E", "H"])
    most = min(4, 8 - len(district) - len(letters) - len(kind))
    return f"{district}{r.choice('-- ')}{letters} {r.randrange(1, 10**most)}{kind}"


def tax_number(r: random.Random) -> str:
    """As the states write it."""
    return r.choice(
        (
            lambda: f"{digits(r, 2)}/{digits(r, 3)}/{digits(r, 5)}",
            lambda: f"{digits(r, 3)}/{digits(r, 4)}/{digits(r, 4)}",
            lambda: f"{digits(r, 3)}/{digits(r, 3)}/{digits(r, 5)}",
            lambda: f"0{digits(r, 2)} {digits(r, 3)} {digits(r, 5)}",
            lambda: f"{digits(r, 4)}0{digits(r, 8)}",
            lambda: f"{digits(r, 5)}/{digits(r, 5)}",
        )
    )()


def phone(r: random.Random) -> str:
    """Of Germany, Austria, Switzerland, and abroad."""
    return r.choice(
        (
            lambda: f"+49 {r.choice(('30', '40', '89', '221', '69', '711'))} {r.randrange(2000000, 9999999)}",
            lambda: f"0{r.choice(('30', '40', '89', '221', '69'))}/{r.randrange(200000, 9999999)}",
            lambda: f"0{r.choice(('151', '160', '171', '176', '179'))} {r.randrange(1000000, 99999999)}",
            lambda: (
                f"(0{r.choice(('221', '211', '341'))}) {r.randrange(20, 99)} {r.randrange(10, 99)} {r.randrange(10, 99)}-{r.randrange(1, 99)}"
            ),
            lambda: f"0049 {r.choice(('170', '172'))} {r.randrange(1000000, 9999999)}",
            lambda: f"+43 {r.choice(('1', '316', '662'))} {r.randrange(200000, 999999)}",
            lambda: f"+43 664 {r.randrange(1000000, 9999999)}",
            lambda: (
                f"+41 {r.choice(('44', '31', '61', '79', '76'))} {r.randrange(200, 999)} {r.randrange(10, 99)} {r.randrange(10, 99)}"
            ),
            lambda: f"0{r.choice(('44', '79'))} {r.randrange(200, 999)} {r.randrange(10, 99)} {r.randrange(10, 99)}",
            lambda: f"+1 {r.randrange(201, 989)}-{r.randrange(200, 999)}-{r.randrange(1000, 9999)}",
            lambda: f"+44 20 {r.randrange(3000, 8999)} {r.randrange(1000, 9999)}",
            lambda: (
                f"+33 {r.randrange(1, 6)} {r.randrange(10, 99)} {r.randrange(10, 99)} {r.randrange(10, 99)} {r.randrange(10, 99)}"
            ),
        )
    )()


def email(r: random.Random) -> str:
    """A person's or an office's."""
    name = r.choice(("jana.weiss", "k.oezdemir", "info", "büro-sued", "t_lange77", "Ann.Marie+news", "no-reply"))
    host = r.choice(("example.org", "post.example.de", "firma-beispiel.ch", "mail.example.co.at", "exämple.de"))
    return f"{name}{r.choice(['@', '@', '@', ' (at) ', '[at]'])}{host}"


def ip(r: random.Random) -> str:
    """Version 4, or 6."""
    if r.random() < 0.7:
        return f"{r.choice((10, 84, 172, 192, 203))}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}"
    return r.choice(
        (
            lambda: ":".join(f"{r.randrange(16, 65536):x}" for _ in range(8)),
            lambda: f"2001:db8:{r.randrange(4096, 65536):x}::{r.randrange(16, 65536):x}",
            lambda: f"fe80::{r.randrange(16, 65536):x}:{r.randrange(16, 65536):x}:{r.randrange(16, 65536):x}",
        )
    )()


def address(r: random.Random) -> str:
    """Of Germany, Austria and Switzerland."""
    street = r.choice(
        "Ahornweg|Lindenstraße|Berliner Straße|Karl-Liebknecht-Str.|Am alten Bahnhof|Hinter der Mühle|Goetheplatz|Prager Allee|Schloßgasse|"
        "Untere Dorfstr.|Rosa-Luxemburg-Platz|Deichstraße|Neuer Wall|Lange Reihe|Hofmühlgasse|Bahnhofstrasse|Kirchweg|Heinrich-Heine-Ufer|Zum Fischerdorf".split(
            "|"
        )
    )
    number = f"{r.randrange(1, 250)}{r.choice(['', '', '', 'a', ' b', '-9', '/3'])}"
    town = r.choice(
        "50667 Köln|10115 Berlin|D-80331 München|04109 Leipzig|26122 Oldenburg|79098 Freiburg im Breisgau|61348 Bad Homburg|1060 Wien|8010 Graz|8001 Zürich|CH-3011 Bern|A-5020 Salzburg|99084 Erfurt".split(
            "|"
        )
    )
    sure = any(
        end in street.lower() for end in ("weg", "straße", "str.", "platz", "allee", "gasse", "strasse", "ufer", "wall")
    )
    return (
        f"{street} {number}{r.choice([', ', chr(10), ' in '])}{town}"
        if not sure or r.random() < 0.7
        else f"{street} {number}"
    )


def birth(r: random.Random) -> str:
    """A day of birth in one of several forms."""
    day, month, year = r.randrange(1, 29), r.randrange(1, 13), r.randrange(1930, 2012)
    name = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()[month - 1]
    return r.choice(
        (
            f"{day:02d}.{month:02d}.{year}",
            f"{day}.{month}.{year}",
            f"{day}. {name} {year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{day:02d}/{month:02d}/{year}",
            f"{day:02d}.{month:02d}.{year % 100:02d}",
        )
    )


def _code(r: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(r.choice(alphabet) for _ in range(count - 1)) + r.choice(string.digits)


HEX = "0123456789abcdef"

SECRETS: dict[str, Make] = {
    "aws id": lambda r: "AKIA" + "".join(r.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16)),
    "aws secret": lambda r: f"aws_secret_access_key = {_code(r, 40)}",
    "github": lambda r: "ghp_" + _code(r, 36),
    "github fine": lambda r: f"github_pat_{_code(r, 22)}_{_code(r, 59)}",
    "gitlab": lambda r: "glpat-" + _code(r, 20),
    "slack": lambda r: f"xoxb-{digits(r, 12)}-{digits(r, 12)}-{_code(r, 24)}",
    "slack hook": lambda r: (
        f"https://hooks.slack.com/services/T{_code(r, 8).upper()}/B{_code(r, 8).upper()}/{_code(r, 24)}"
    ),
    "stripe": lambda r: "sk_live_" + _code(r, 24),
    "google": lambda r: "AIza" + _code(r, 35),
    "google oauth": lambda r: "GOCSPX-" + _code(r, 28),
    "openai": lambda r: "sk-proj-" + _code(r, 48),
    "anthropic": lambda r: "sk-ant-api03-" + _code(r, 93),
    "hugging face": lambda r: "hf_" + _code(r, 34),
    "npm": lambda r: "npm_" + _code(r, 36),
    "pypi": lambda r: "pypi-AgEIcHlwaS5vcmc" + _code(r, 60),
    "sendgrid": lambda r: f"SG.{_code(r, 22)}.{_code(r, 43)}",
    "mailgun": lambda r: "key-" + _code(r, 32, HEX),
    "telegram": lambda r: f"{r.randrange(100000000, 9999999999)}:AA{_code(r, 33)}",
    "jwt": lambda r: f"eyJhbGciOiJIUzI1NiJ9.eyJ{_code(r, 40)}.{_code(r, 43)}",
    "pem": lambda r: f"-----BEGIN RSA PRIVATE KEY-----\n{_code(r, 64)}\n{_code(r, 64)}\n-----END RSA PRIVATE KEY-----",
    "azure": lambda r: f"AccountKey={_code(r, 86)}==",
    "digitalocean": lambda r: "dop_v1_" + _code(r, 64, HEX),
    "shopify": lambda r: "shpat_" + _code(r, 32, HEX),
    "databricks": lambda r: "dapi" + _code(r, 32, HEX),
    "vault": lambda r: "hvs." + _code(r, 90),
    "grafana": lambda r: f"glsa_{_code(r, 32)}_{_code(r, 8, HEX)}",
    "postman": lambda r: f"PMAK-{_code(r, 24, HEX)}-{_code(r, 34, HEX)}",
    "password": lambda r: (
        f"{r.choice(('Passwort:', 'password =', 'Kennwort lautet', 'pwd:'))} {r.choice(('Sommer', 'tiger', 'Qwe', 'hallo'))}{r.choice('!#$_')}{digits(r, 4)}"
    ),
    "bearer": lambda r: f"Authorization: Bearer {_code(r, 40)}",
}
"""Kinds of credentials; where the text around belongs to the kind, all of it may be marked."""

POSITIVE: dict[str, tuple[Make, tuple[str, ...]]] = {
    "EMAIL": (
        email,
        ("Schreiben Sie an {} oder rufen Sie an.", "E-Mail: {}", "write to {} for details", "Kontakt ({})"),
    ),
    "IP": (ip, ("Zugriff von {} gesperrt", "Der Server {} antwortet nicht.", "login from {} failed", "IP-Adresse: {}")),
    "IBAN": (
        iban,
        ("IBAN: {}", "Bitte überweisen auf {} bis Freitag.", "please pay to {} today", "Konto {} bei der Bank"),
    ),
    "CREDIT_CARD": (
        card,
        ("Kreditkarte {}", "Karte {} gültig bis 12/29", "charge my card {} please", "Zahlung mit {} abgelehnt"),
    ),
    "PHONE": (
        phone,
        ("Tel. {}", "Rufen Sie mich unter {} an.", "call me at {} tomorrow", "Mobil: {}", "erreichbar: {}", "Fax {}"),
    ),
    "DE_TAX_ID": (
        tax_id,
        ("Steuer-ID: {}", "meine steuerliche Identifikationsnummer {} lautet so", "IdNr. {}", "tax ID {} (Germany)"),
    ),
    "DE_VAT_ID": (vat_id, ("USt-IdNr.: {}", "Umsatzsteuer-ID {}", "VAT {}", "{} auf der Rechnung")),
    "DE_SOCIAL_SECURITY": (
        social_security,
        ("Sozialversicherungsnummer {}", "Rentenversicherungsnummer: {}", "SV-Nr. {}", "social security number {}"),
    ),
    "DE_HEALTH_INSURANCE": (
        health_insurance,
        ("Krankenversichertennummer {}", "Versichertennr. {} der Krankenkasse", "KVNR: {}", "health insurance no. {}"),
    ),
    "DE_TAX_NUMBER": (
        tax_number,
        (
            "Steuernummer: {}",
            "St.-Nr. {}",
            "beim Finanzamt unter der Steuernummer {} geführt",
            "tax number {}",
            "StNr. {}",
        ),
    ),
    "DE_ID_CARD": (
        id_card,
        ("Personalausweis Nr. {}", "Ausweisnummer: {}", "identity card {}", "Personalausweisnummer {} vorgelegt"),
    ),
    "DE_PASSPORT": (passport, ("Reisepass {}", "Passnummer: {}", "passport number {}", "Reisepassnr. {} abgelaufen")),
    "DE_DRIVING_LICENCE": (
        driving_licence,
        ("Führerschein Nr. {}", "Führerscheinnummer: {}", "driving licence {}", "Fahrerlaubnis {} der Klasse"),
    ),
    "DE_NUMBER_PLATE": (
        number_plate,
        (
            "Kennzeichen {}",
            "das Auto mit dem Kennzeichen {} parkt dort",
            "Fahrzeug ({}) abgeschleppt",
            "car with number plate {}",
            "Kfz {}",
        ),
    ),
    "ADDRESS": (address, ("Ich wohne {}.", "Anschrift: {}", "Adresse: {}", "Lieferung an: {}", "Wir ziehen um: {}")),
    "DATE_OF_BIRTH": (
        birth,
        (
            "geboren am {}",
            "Geburtsdatum: {}",
            "geb. {}",
            "date of birth {}",
            "Geburtstag: {}",
            "*{}",
            "DOB: {}",
            "born on {}",
        ),
    ),
}

CLASSES: dict[str, tuple[str, ...]] = {
    "checked": (
        "EMAIL",
        "IP",
        "IBAN",
        "CREDIT_CARD",
        "DE_TAX_ID",
        "DE_VAT_ID",
        "DE_SOCIAL_SECURITY",
        "DE_HEALTH_INSURANCE",
    ),
    "named": ("DE_ID_CARD", "DE_PASSPORT", "DE_DRIVING_LICENCE", "DE_NUMBER_PLATE", "DE_TAX_NUMBER"),
}
"""Types whose goals are .99 and .95."""


def positives(seed: int, count: int) -> Iterator[Example]:
    """`count` texts of each type, each with one value."""
    for kind, (make, frames) in POSITIVE.items():
        r = random.Random(f"{seed} {kind}")
        for number in range(count):
            yield framed(r, kind, make(r), r.choice(frames), number)


def secrets(seed: int, count: int) -> Iterator[Example]:
    """`count` texts of each kind of credential."""
    for name, make in SECRETS.items():
        r = random.Random(f"{seed} {name}")
        for number in range(count):
            value = make(r)
            core = (
                value.rsplit(" ", 1)[-1]
                if " " in value and not value.startswith("-----")
                else value.partition("AccountKey=")[2] or value
            )
            text = f"{r.choice(FIRST_WORDS)}{r.choice(('key: ', 'use ', 'Zugang ', 'export TOKEN=', 'hier: '))}{value}{r.choice(LAST_WORDS)}"
            start = text.index(core)
            yield Example(f"{name} {number}", "en", text, ((start, start + len(core), "SECRET"),))


def framed(r: random.Random, kind: str, value: str, frame: str, number: int) -> Example:
    """A value in a sentence."""
    before, after = frame.split("{}")
    text = f"{r.choice(FIRST_WORDS)}{before}"
    start = len(text)
    english = any(
        word in frame
        for word in (
            " for ",
            "please",
            "number ",
            "from ",
            "call",
            "born",
            "date of",
            "tax ",
            "identity",
            "driving",
            "passport",
            "health",
            "social",
        )
    )
    return Example(
        f"{kind} {number}",
        "en" if english else "de",
        f"{text}{value}{after}{r.choice(LAST_WORDS)}",
        ((start, start + len(value), kind),),
    )


NEGATIVE: tuple[tuple[Make, tuple[str, ...]], ...] = (
    (lambda r: digits(r, 11), ("Bestellnummer {}", "order no. {}", "Vorgangsnummer: {}", "Auftrag {} versandt")),
    (
        lambda r: f"978-{r.randrange(1, 9)}-{digits(r, 4)}-{digits(r, 4)}-{digits(r, 1)}",
        ("ISBN {}", "Das Buch (ISBN {}) erscheint neu."),
    ),
    (
        lambda r: ".".join(str(r.randrange(0, 20)) for _ in range(4)),
        ("Version {}", "Firmware {} installieren", "updated to version {}", "Kapitel {}"),
    ),
    (
        lambda r: f"{r.randrange(1, 999)}.{digits(r, 3)},{digits(r, 2)}",
        ("Preis: {} Euro", "kostet {} €", "Umsatz von {} EUR"),
    ),
    (
        lambda r: (
            f"20{r.randrange(10, 27)}-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}T{r.randrange(24):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}Z"
        ),
        ("Zeitstempel {}", "at {} the job ended", "Protokoll vom {}"),
    ),
    (lambda r: "4" + digits(r, 12), ("EAN {}", "Artikel mit der EAN {} lieferbar", "GTIN: {}")),
    (lambda r: _code(r, 64, HEX), ("sha256 {}", "Prüfsumme {}", "digest: {}")),
    (lambda r: _code(r, 40, HEX), ("commit {}", "siehe Commit {}", "fixed in {}")),
    (lambda r: "-".join(_code(r, size, HEX) for size in (8, 4, 4, 4, 12)), ("ID {}", "uuid={}", "Auftrag {} angelegt")),
    (
        lambda r: f"{r.randrange(1, 29)}.{r.randrange(1, 13)}.20{r.randrange(10, 27)}",
        ("Die Messe beginnt am {}.", "Rechnung vom {}", "gültig bis {}"),
    ),
    (
        lambda r: f"{r.randrange(1, 29)}. Mai 20{r.randrange(10, 27)}",
        ("Treffen am {}", "veröffentlicht am {}", "die Firma wurde am {} gegründet"),
    ),
    (lambda r: str(r.randrange(1000000000, 1799999999)), ("timestamp {}", "Unixzeit {}", "id={}")),
    (
        lambda r: f"{r.randrange(10, 99)} {r.randrange(10, 99)} {r.randrange(10, 99)} {r.randrange(10, 99)}",
        ("Lottozahlen {}", "Werte: {}", "Messreihe {}"),
    ),
    (lambda r: f"{r.choice('ABCDEFG')}{r.randrange(1, 99)}", ("Stau auf der {}", "Formular {}", "Halle {}")),
    (
        lambda r: f"{r.randrange(10, 99)}:{r.randrange(10, 59)}:{r.randrange(10, 59)}",
        ("ab Minute {}", "Laufzeit {}", "[{}] Und weiter geht es"),
    ),
    (
        lambda r: f"{r.randrange(2, 60)}",
        ("auf dem Weg {} Leute getroffen", "Platz {} von 90", "Seite {} im Anhang", "Straßen: {} gesperrt"),
    ),
    (
        lambda r: f"{r.choice(('DIN EN', 'ISO', 'RFC', 'IEC'))} {r.randrange(1000, 20000)}",
        ("nach {} geprüft", "siehe {}"),
    ),
    (lambda r: f"{r.randrange(10000, 99999)}", ("PLZ-Gebiet {}", "Artikel {} ist da", "Los {} gewinnt")),
    (
        lambda r: f"std::{r.choice(('vec', 'map', 'fs', 'io'))}::{r.choice(('new', 'push', 'read'))}",
        ("in {} steht", "call {} twice"),
    ),
)
"""Figures of other kinds, and what is around them."""


def negatives(seed: int, count: int) -> Iterator[Example]:
    """`count` texts of each kind, none with a value."""
    for number_of, (make, frames) in enumerate(NEGATIVE):
        r = random.Random(f"{seed} negative {number_of}")
        for number in range(count):
            text = f"{r.choice(FIRST_WORDS)}{r.choice(frames).format(make(r))}{r.choice(LAST_WORDS)}"
            yield Example(f"negative {number_of}.{number}", r.choice(("de", "de", "en")), text, ())


PUBLIC = (
    "Ilse Brandmüller",
    "Prof. Dr. Kemal Aksoy",
    "Noor van den Heuvel",
    "Jean-Luc Perrin",
    "Siobhan O'Keeffe",
    "Bodo Wartke-Lenz",
)
"""Names that a policy lists, or that stand in the metadata."""

SAID_OF = (
    "{} sprach gestern im Rathaus.",
    "Ein Gespräch mit {} über Wärmepumpen.",
    "Laut {} dauert es noch.",
    "We talked to {} about heat pumps.",
    "Dear {}, thank you for the talk.",
    "Frau {} und Herr Konrad Eberle kamen auch.",
    "Autor: {}",
    "{}s Vortrag begann um acht.",
)
