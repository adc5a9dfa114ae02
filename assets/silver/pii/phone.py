"""Finds telephone numbers: international ones anywhere, national ones of the countries a text may be from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assets.silver.pii.figures import behind_words, found, near_clusters
from assets.silver.pii.phone_spoken import said
from assets.silver.pii.span import Span
from assets.silver.pii.table import heading

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

TYPE = "PHONE"

_GERMAN_SPEAKING = ("DE", "AT", "CH")
_REGIONS = {"de": _GERMAN_SPEAKING, "en": ("GB", "US", *_GERMAN_SPEAKING)}
"""Countries whose national numbers are looked for, by language, most likely first."""

_EXTENSION = r"(?:[ ]?(?:x|ext\.?)[ ]?\d{1,5})?"
_REST = rf"(?:[ ()/.\-–]{{0,3}}\d){{5,17}}{_EXTENSION}(?![\w@])"
_CANDIDATE = re.compile(
    # Not within words, paths, queries or decimals.
    rf"(?<![\w/=&#%+\x00-])(?<!\d[.,:])(?:\(?\+|\(0|\([2-9]\d{{2}}\)|\(?[2-9]\d{{2}}\)?[ .-]|0|1[ .-]\(?[2-9]\d{{2}}\)?[ .-])[ ]?\d?{_REST}"
)
_LABELLED = re.compile(
    r"\b(?:tele)?(?:tel|phone|fon|fax|mobile?|handy|cell)(?:nummer|number)?(?:[.-]?\s?(?:nr|no)\.?)?(?:\s{0,2}[.:=|]\s{0,2}|\t|</t[dh]>\s{0,9}<t[dh]>)"
    rf"(?P<number>[+(]?\d{_REST})",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?i:\b(?:call|calling|called|reach|ring|phone|text|dial|whatsapp|sms|messages?|answering|desk|office|mobile|cell|fax|registered|contact|anrufen|ruf\w*"
    r"|erreich\w*|erreichbar|telefonnummer\w*|handynummer\w*|telefonisch|durchwahl|hotline|nummer|number)\b)"
    r"(?:[ ]?[:.]?[ ]?(?i:me|us|him|her|them|back|is|are|ist|lautet|mich|uns|an|at|on|to|under|unter|via|der|the|my|meine?r?|phone|number|nummer|mobile|using|jederzeit)?){0,5}[ :]*"
    rf"(?P<number>[+(]?\d(?:[ ()/.\-–]{{0,3}}\d){{6,14}}{_EXTENSION})(?![\w@])(?![.,:]\d)"
)
"""A number that somebody may be reached at; only with a mark between its figures, or a zero or plus before them."""

_NAMED_BEHIND = re.compile(
    rf"(?<![\w/.,+-])(?P<number>[+(]?\d(?:[ ()/.\-–]{{0,3}}\d){{6,14}}{_EXTENSION})(?=[ ]?[-(]?[ ]?(?:office|fax|mobile|mobil\w*|handy\w*|telefon\w*|telephone|rufnummer|phone|tel\b|privat|dienstlich|home|work|cell)\b)",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"(?<![\w/=&#%+\x00-])(?:(?:\+|00)\d{1,3}[ .-]?(?:\(0\)[ ]?)?\(?\d{0,4}\)?|0\d{2,4})[ ]?[/.-]?\n(?P<rest>\d[\d ./-]{3,12}\d)(?![\w.,:/-]\d|\w)"
)
"""A number that the end of a line cuts behind its code."""

_CELL = re.compile(r"(?<![^|;\t,\n\"])[ ]?(?P<number>[+(]?\d(?:[ ()/.\-–]{0,3}\d){6,14})(?=[ ]?(?:[|;\t,\n\"]|\Z))")
"""A number that fills a cell of a table."""

_SIGNED = re.compile(r"(?:\A|[\n|·•;,])[ ]*[TMFPCODHWtmfpc](?:[.:]| ?[:+])[ ]?\Z|(?:\A|\n)[ ]*[TMFPCOD][ ]\Z")
"""T, M and F before the numbers of a signature."""

_NOUN_BEFORE = re.compile(r"([^\W\d_]+|\0)[ ]\Z")
_OWN = frozenset(
    "my his her our your their the a new this that phone mobile cell contact fax home office work whatsapp direct free telephone meine deine seine ihre unsere eure die der"
    " neue alte unter and or".split()
)
"""What stands before `number` where it is one to call; a case, an order or an account has a number, too."""

_GAPS = re.compile(r"[ ()/.\-–]+")
_NORTH_AMERICAN = re.compile(
    rf"(?:1[ .-])?(?:\([2-9]\d{{2}}\)[ ]?|[2-9]\d{{2}}(?P<mark>[ .-]))[2-9]\d{{2}}[ .-]\d{{4}}{_EXTENSION}"
)
_DATE = re.compile(
    r"\(?(?:\d{1,2}[./-][ ]?\d{1,2}[./-][ ]?(?:19|20)?\d{2}(?!\d)|\d{1,2}[./-][ ]?\d{1,2}[ ](?:19|20)\d{2}(?!\d)"
    r"|(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}(?!\d)|(?:0[1-9]|1[0-2])/(?:19|20)\d{2}(?!\d))"
)
_MOBILE = re.compile(r"01[5-7]\d{8,9}|07[4-9]\d{8}|07[5-9]\d{7}")
"""Mobile numbers of Germany, Britain and Switzerland in one piece, which look like nothing else."""

_DECIMAL = re.compile(r"0[.]\d")
_SOCIAL_SECURITY = re.compile(r"\d{3}-\d{2}-\d{4}")
"""Of the United States."""

_ZIP_CODE = re.compile(r"\d{5}-\d{4}(?!\d)")
_STATE = re.compile(r"\b[A-Z]{2}[ ]$")
_UNIT = re.compile(r"\s?(?:€|\$|£|%|‰|°|(?:EUR|Euro|USD|CHF|Dollar|Mio|Mrd|Prozent|kg|km|kWh|MWh|GB|MB|ms|px)\b)")

_CALLED = re.compile(
    r"\b(?:tel|telefon\w*|telephone|telefax|fon|fax|mobil\w*|handy\w*|natel|festnetz\w*|phone|cell|call|contact[ ]number|ruf\w*|rückruf|\w*hotline|durchwahl|whatsapp"
    r"|sms|anruf\w*|erreich\w*|dial|text)\b|[📞☎📱✆]",
    re.IGNORECASE,
)
_OTHERWISE_NUMBERED = re.compile(
    r"\b(?:isbn|issn|doi|konto\w*|kto|blz|artikel\w*|bestell(?!hotline|tel)\w*|auftrag\w*|kunden\w*|rechnung\w*|serien\w*|order|invoice"
    r"|aktenzeichen|az|hr[ab]|steuer\w*|ust\w*|version|build|release|seriennummer|serial|ticket|vorgang\w*|ssn|social security|isin|wkn|ean|gtin|zähler\w*|vertrag\w*|versicherung\w*|mitglied\w*|case|claim|policy|booking|reservation|confirmation|incident|fallnummer|schaden\w*|buchung\w*)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"(?:[-\s]?(?:nr|no|nummer|number|1[03])\b)?[.:]{0,2}[ \d/.X-]{1,20}")
_CONTEXT = 30
"""Characters before a number in which a word says what it is."""


class PhoneNumbers:
    """Valid numbers by the plans of phonenumbers; a national one also needs the look of one, or a word before it.

    After a label, `Phone: 467 3395`, any figures are a number.
    """

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        regions = _REGIONS.get(language or "", _GERMAN_SPEAKING)
        for labelled in found(_LABELLED, text, behind_words(text)):
            yield _labelled_span(labelled, regions)
        for match in (*found(_ASKED, text, behind_words(text)), *found(_NAMED_BEHIND, text, near_clusters(text))):
            if _is_number_to_call(text, match):
                yield _labelled_span(match, regions)
        for match in found(_CELL, text, near_clusters(text)):
            if _CALLED.search(heading(text, match.start("number"))) and not _DATE.match(text, match.start("number")):
                yield _labelled_span(match, regions)
        if "\n" in text:
            for match in found(_BROKEN, text, near_clusters(text)):
                number = _parsed(
                    match[0].replace("\n", " "), text[max(0, match.start() - _CONTEXT) : match.start()], regions
                )
                if number is not None and not _DATE.match(match["rest"]):
                    yield Span(*match.span(), TYPE, _value(number))
        for start, stop, figures in said(text):
            yield Span(start, stop, TYPE, figures)
        for at, end in near_clusters(text):
            while candidate := _CANDIDATE.search(text, at, end):
                span = _span(text, candidate.start(), candidate.end(), regions)
                if span is None and text[candidate.start()] == "(":
                    at = candidate.start() + 1
                    continue
                if span is None:
                    following = _GAPS.search(text, candidate.start() + 1, candidate.end())
                    at = following.start() if following else candidate.end()
                    continue
                yield span
                at = span.end


def _is_number_to_call(text: str, match: re.Match[str]) -> bool:
    """Whether the figures behind such a word look like a number, and like nothing else."""
    start, end = match.span("number")
    written = match["number"]
    if _DATE.match(text, start) or _UNIT.match(text, end) or _SOCIAL_SECURITY.fullmatch(written):
        return False
    if re.search(r"(?i)(?:number|nummer)[ :]*\Z", text[max(0, start - _CONTEXT) : start]) and written[0] not in "+0(":
        noun = _NOUN_BEFORE.search(text[max(0, match.start() - _CONTEXT) : match.start()])
        if noun is not None and noun[1] and noun[1].lower() not in _OWN:
            return False
    if _is_otherwise_numbered(text[max(0, start - _CONTEXT) : start]) or written.count("(") != written.count(")"):
        return False
    return bool(re.search(r"[ ()/.–-]", written)) or written[0] in "+0" or len(written) == 10


def _labelled_span(labelled: re.Match[str], regions: tuple[str, ...]) -> Span:
    written = labelled["number"]
    number = _parsed(written, labelled[0], regions)
    value = _value(number) if number is not None else re.sub(r"\D", "", written)
    return Span(labelled.start("number"), labelled.end("number"), TYPE, value)


def _span(text: str, start: int, end: int, regions: tuple[str, ...]) -> Span | None:
    """The longest number that begins at `start`: a candidate may have swallowed the figures that follow it."""
    before = text[max(0, start - _CONTEXT) : start]
    if _DATE.match(text, start) or _DECIMAL.match(text, start):
        return None
    if text[start] != "+" and _is_otherwise_numbered(before):
        return None
    if _ZIP_CODE.match(text, start) and _STATE.search(before):
        return None
    while end > start:
        written = text[start:end]
        number = _parsed(written, before, regions) if written.count("(") == written.count(")") else None
        if number is not None and not _UNIT.match(text, end):
            return Span(start, end, TYPE, _value(number))
        gaps = list(_GAPS.finditer(text, start + 1, end))
        end = gaps[-1].start() if gaps else start
    return None


def _value(number: PhoneNumber) -> str:
    return f"+{number.country_code}{number.national_number}"


def _is_otherwise_numbered(before: str) -> bool:
    """Whether the last word before the number, and no other number in between, says that it is of another kind."""
    named = list(_OTHERWISE_NUMBERED.finditer(before))
    if not named:
        return False
    between = before[named[-1].end() :]
    if _CALLED.search(between):
        return False
    # figures that go on: `ISBN 978 3 446 …`
    return not any(character.isdigit() for character in between) or _GOES_ON.fullmatch(between) is not None


def _parsed(written: str, before: str, regions: tuple[str, ...]) -> PhoneNumber | None:
    import phonenumbers

    digits = re.sub(r"\D", "", written)
    if len(digits) < 6:
        return None
    international = written.lstrip("( ").startswith("+") or digits.startswith("00")
    looks_like_one = (
        bool(_GAPS.search(written.strip("( ")))
        or bool(_CALLED.search(before) or _SIGNED.search(before))
        or bool(_MOBILE.fullmatch(written))
    )
    for region in ("ZZ",) if international and not digits.startswith("00") else regions:
        if not international and not (looks_like_one and _looks_like_one_of(region, written, digits)):
            continue
        try:
            number = phonenumbers.parse(written.replace("–", "-"), region)
        except phonenumbers.NumberParseException:
            continue
        if _is_dialled(number, international):
            return number
    return None


def _looks_like_one_of(region: str, written: str, digits: str) -> bool:
    """Whether it begins with the national prefix, or in North America has the groups that are customary there."""
    return bool(_NORTH_AMERICAN.fullmatch(written)) if region == "US" else digits.startswith("0")


def _is_dialled(number: PhoneNumber, international: bool) -> bool:
    import phonenumbers

    if phonenumbers.is_valid_number(number):
        return True
    # Numbers that nobody has been given yet are left out of the plans; with a country code they are still no
    # figures.
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    return international and possible and len(str(number.national_number)) >= 9
