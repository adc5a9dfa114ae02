"""Finds postal addresses: a street with a number, and the postcode and town that follow. Towns alone stay."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from assets.silver.pii.span import Span

TYPE = "ADDRESS"

_REACH = 70
"""Characters before a number in which a street may begin."""

_SURE_ENDS = (
    "straße strasse straẞe strase str. str weg gasse gässchen platz allee ufer damm chaussee steig pfad stieg twiete graben"
    " promenade zeile kamp redder ring wall gässli strässli"
).split()
"""Endings that, with a number behind, are streets and nothing else."""

_UNSURE_ENDS = (
    "markt hof berg feld tal bach wiese wiesen grund busch heide park garten gärten brücke tor winkel höhe halde rain leite"
    " siedlung deich koppel kai anger au aue kehre bogen eck treppe terrasse kirchplatz hang horst stein rode heim burg see"
).split()
"""Endings of many other words, too: they need a postcode behind or a word before."""

_ENDS = "|".join(re.escape(end) for end in sorted(_SURE_ENDS, key=len, reverse=True))
_HOUSE = r"\d{1,4}(?:[ ]?[a-zA-Z](?!\w))?(?:[ ]?[-–/+][ ]?\d{1,4}(?:[ ]?[a-z](?!\w))?){0,3}"
_NOT_A_HOUSE = (
    r"(?![\w%€$])(?![.,:]\d)(?!\.[ ]?(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|und|bis|Jahrhundert|Platz|Stock|Etage))"
    r"(?![ ]?(?:€|Uhr|Prozent|km|Meter|m|Euro|EUR|Jahr|Jahre|Jahren|Minuten|Stunden|Tage|Personen|Millionen|Kilometer)\b)"
)
_FLOOR = (
    r"(?:,?[ ](?:\d{1,2}\.[ ]?(?:OG|Stock|Etage|Obergeschoss)|EG|DG|Erdgeschoss|Hinterhaus|Vorderhaus"
    r"|(?:Wohnung|Whg\.?|Top|Tür|Haus|Apartment|App\.?|Stiege)[ ]?\d{1,3}))?"
)
_TOWN_WORD = r"[A-ZÄÖÜÉ][^\W\d_]+(?:[-/][^\W\d_]+)*"
_TOWN_LINK = r"(?:am|an|der|im|in|bei|ob|vor|vom|a\.|d\.|i\.|b\.|v\.|zur?|St\.|Sankt)"
_TIMES = (
    "(?:(?:Mon|Diens|Donners|Frei|Sams|Sonn)tag|Mittwoch|Sonnabend|Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober"
    "|November|Dezember|Morgen|Abend|Mittag|Vormittag|Nachmittag|Wochenende|Frühjahr|Frühling|Sommer|Herbst|Winter|Ende|Anfang|Jahr)"
)
_TOWN = (
    rf"(?:(?:Bad|Sankt|St\.|Markt|Groß|Klein|Neu|Alt|La|Le|Les)[ ])?{_TOWN_WORD}(?:[ ]{_TOWN_LINK}(?:[ ]{_TOWN_LINK})?[ ](?!{_TIMES}){_TOWN_WORD})?"
    r"(?:[ ]\([^)\n]{2,20}\))?"
)
_POSTCODE = r"(?:(?:D|A|CH|DE|AT|F|L|FL)[ ]?[-–][ ]?)?\d{4,5}"
_JOINT = r"(?:[ ]?[,;|·•–-][ ]?\n?[ ]?|[ ]?\n[ ]?|[ ](?:in[ ])?)"
_PLACE = rf"{_JOINT}{_POSTCODE}[ ]{{1,2}}{_TOWN}(?!\w)(?:,?[ \n](?:Deutschland|Germany|Österreich|Austria|Schweiz|Switzerland)(?!\w))?"

_SURE = re.compile(rf"(?P<end>(?i:{_ENDS}))[ ]{{0,2}}(?P<house>{_HOUSE}){_NOT_A_HOUSE}{_FLOOR}(?P<place>{_PLACE})?")
_WITH_PLACE = re.compile(rf"(?<![\w.,/-])(?P<house>{_HOUSE}){_FLOOR}{_PLACE}")
_POST_BOX = re.compile(rf"(?<!\w)Postfach[ ](?:\d[ ]?){{1,8}}\d(?:{_PLACE})?")

_STREET_WORD = r"(?:[A-ZÄÖÜÉÈÀ][^\W\d_]*\.?(?:[-'’.][^\W\d_]+\.?)*|\d{1,2}\.)"
_STREET_LINK = r"(?:Am|An|Auf|Im|In|Zum|Zur|Unter|Hinter|Vor|Beim|Bei|Ob|de|du|des|la|le|della|dei|del|di|von|der|den|dem|am|zum|zur|und|vom|van|[a-zäöüß]{2,9}(?:en|er))"
_STREET_BEFORE = re.compile(
    rf"(?:(?=[A-Z]){_STREET_LINK}[ ](?:{_STREET_LINK}[ ])?)?(?:{_STREET_WORD}[ ](?:{_STREET_LINK}[ ]){{0,2}}){{0,3}}{_STREET_WORD}[ ]{{1,2}}\Z"
)
_UNSURE_STREET = re.compile(
    rf"(?<![\w-])(?:(?:(?:Am|An|Auf|Im|In|Zum|Zur|Unter|Hinter|Vor|Beim|Bei)(?:[ ](?:der|den|dem|die))?(?:[ ][a-zäöüß]{2, 9}(?:en|er))?[ ](?:[A-ZÄÖÜ][\w.-]+[ ]){{1,3}})"
    rf"|[A-ZÄÖÜ][\w-]*(?:{'|'.join(_UNSURE_ENDS)})[ ])(?P<house>{_HOUSE}){_NOT_A_HOUSE}"
)
_HOME = re.compile(
    r"\b(?:adresse|anschrift|wohn(?:t|e|en|haft|ort|sitz)|straße|str\.|ansässig|residier\w*|lieferadresse|rechnungsadresse|sitz|gemeldet"
    r"|zugestellt|liefern|geliefert|zieh\w*|umgezogen|address|liv(?:e|es|ed|ing) at|resid\w+ at|located at|ship\w* to|deliver\w* to)\b",
    re.IGNORECASE,
)
_HOME_BEGINS = re.compile(
    r"\b(?=[alrswzudg])(?:adresse|anschrift|wohn|straße|str\.|ansässig|residier|lieferadresse|rechnungsadresse|sitz|gemeldet"
    r"|zugestellt|liefern|geliefert|zieh|umgezogen|address|liv|resid|located at|ship|deliver)",
    re.IGNORECASE,
)
"""What every match of `_HOME` begins with: found once in a text, so that numbers far from any are passed by."""

_NUMBER_BEHIND_WORD = re.compile(r"[^\W\d_]\.?[ ]{0,2}(?=\d)")
_ENDS_BY_LENGTH = sorted(_SURE_ENDS, key=len, reverse=True)
_LONGEST_END = max(map(len, _SURE_ENDS))
_HOME_REACH = 110
_NOT_STREETS = frozenset(
    "der die das den dem des ein eine einer eines einem einen in im am an auf zur zum von vom unsere unserer ihre ihrer meine meiner"
    " dieser diese jeder jede neben hinter vor zwischen und oder nach bis über ab auch tel telefon fax nr hausnummer absatz seite"
    " kapitel".split()
)
_ADJECTIVES = frozenset(
    "alte alter altes neue neuer obere oberer untere unterer große großer kleine lange langer hohe mittlere äußere innere st. sankt kurze breite".split()
)

_WAYS = (
    r"Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Parkway|Pkwy|Circle|Cir"
    r"|Highway|Hwy|Trail|Trl|Close|Crescent|Gardens|Grove|Mews|Row|Walk|Quay|Turnpike|Alley|Plaza|Loop|Path|Pike|Ridge|View|Broadway"
    r"|Streets|Squares|Hill|Parade|Esplanade"
)
_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’.-]*"
_ENGLISH_UNIT = r"(?:,?[ \n]{1,2}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Rm|#)\.?[ ]?#?\w{1,6})"
_ENGLISH_PLACE = (
    rf"(?:,?[ \n]{{1,3}}{_CAPITAL}(?:[ -]{_CAPITAL}){{0,3}}(?:,[ \n]?(?:[A-Z]{{2}}|{_CAPITAL}(?:[ ]{_CAPITAL})?))?"
    r",?[ \n]{1,2}(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}|[A-Z]\d[A-Z][ ]?\d[A-Z]\d|\d{4})(?!\w))"
)
_ENGLISH = re.compile(
    rf"(?<![\w.,/$€£-])(?P<house>\d{{1,6}}(?:[-/]\d{{1,4}})?[A-Za-z]?)[ ](?:(?:N|S|E|W|North|South|East|West|NE|NW|SE|SW)\.?[ ])?"
    rf"(?:(?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th)|of|the)[ ]){{0,4}}?(?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th))[ ](?:{_WAYS})\b\.?"
    rf"(?:[ ](?:N|S|E|W|NE|NW|SE|SW)\b\.?)?{_ENGLISH_UNIT}?(?:{_ENGLISH_PLACE})?"
)
_ENGLISH_BOX = re.compile(
    rf"(?<!\w)(?:P\.?[ ]?O\.?[ ]?Box[ ]\d{{1,6}}|(?:PSC|Unit|CMR)[ ]\d{{3,5}},?[ ]Box[ ]\d{{2,5}}|USNS[ ][A-Z][\w ]{{2,30}})"
    rf"(?:,?[ \n]{{1,2}}(?:APO|FPO|DPO)[ ]A[AEP][ ]\d{{5}}|{_ENGLISH_PLACE})?"
)
_UNITS = ("Apt.", "Suite", "Apartment", "Ste.")
_UNIT_ANCHOR = re.compile(r"(?<!\w)(?:Apt\.|Suite|Apartment|Ste\.)[ ]#?\d{1,5}(?!\w)")
_ENGLISH_HOME = re.compile(
    r"\b(?:address(?:es)?(?:[ ]\w+){0,2}?(?:[ ]?[:=]|[ ](?:is|was|to|with|as|of|at|in))|address[:,]?|liv(?:e|es|ed|ing)[ ](?:at|in)|resid(?:e|es|ed|ing)[ ]at"
    r"|located[ ](?:at|in)|(?:ship|deliver|mail|send|sent|move|moved|moving)\w*[ ](?:it[ ]|this[ ]|them[ ])?to|office[ ](?:is[ ])?at|(?:visit|find)[ ]us[ ]at|residence[:,]?)\b:?[ \n]+",
    re.IGNORECASE,
)
_AT_NUMBER = re.compile(
    r"\b(?:at|on|to|from|of|near|in|same:|are:)[ :\[]{1,3}(?P<run>\d{1,6}[A-Za-z]?[ ][A-ZÀ-ÖØ-Þ\d])"
)
_WAY_WORDS = frozenset(_WAYS.split("|"))
_COUNTED = frozenset(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov"
    " dec million billion thousand hundred percent am pm gb mb kb tb ghz mhz km kg usd eur".split()
)
_RUN = re.compile(
    r"(?:[A-ZÀ-ÖØ-Þ][\w'’.-]*|[\u0370-\u03ff][\w'’.-]*|\d[\w/-]*|#\d+|(?:de|da|do|of|the|la|van|der|und|and|u)(?=[ ]))(?:,?[ ]?\n?[ ]?,?[ ]?)?"
)


class Addresses:
    """German ones in German order, English ones in English order; both are looked for in every text."""

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        yield from _german(text)
        if language != "de":
            yield from _english(text)
        if "Box" in text or "BOX" in text or "USNS" in text:
            for match in _ENGLISH_BOX.finditer(text):
                yield _span(text, match.start(), match.end())


def _german(text: str) -> Iterator[Span]:
    homes = [home.start() for home in _HOME_BEGINS.finditer(text)]
    for number in _NUMBER_BEHIND_WORD.finditer(text):
        ending = text[
            max(0, number.start() - _LONGEST_END) : number.start() + 1 + (text[number.start() + 1] == ".")
        ].lower()
        end = next((end for end in _ENDS_BY_LENGTH if ending.endswith(end)), None)
        if end is not None:
            after_end = number.start() + 1 + (text[number.start() + 1] == ".")
            match = _SURE.match(text, after_end - len(end))
            start = _street_start(text, match) if match is not None else None
            if match is not None and start is not None:
                yield _span(text, start, match.end())
        elif _is_near(homes, number.start()) and _HOME.search(
            text, max(0, number.start() - _HOME_REACH), number.start()
        ):
            yield from _unsure(text, number.start())
    for match in _WITH_PLACE.finditer(text):
        before = _STREET_BEFORE.search(text, max(0, match.start() - _REACH), match.start())
        if before is not None and before[0].split()[-1].lower().strip(".") not in _NOT_STREETS:
            yield _span(text, before.start(), match.end())
    if "Postfach" in text:
        for match in _POST_BOX.finditer(text):
            yield _span(text, match.start(), match.end())


def _is_near(homes: list[int], at: int) -> bool:
    """Whether a word about homes may begin in reach before `at`."""
    last = bisect_left(homes, at)
    return last > 0 and homes[last - 1] >= at - _HOME_REACH


def _unsure(text: str, at: int) -> Iterator[Span]:
    """A street by a name that could be another word, where a word before says that somebody lives there."""
    low = max(0, at - _REACH)
    for match in _UNSURE_STREET.finditer(text, low, min(len(text), at + 12)):
        said = text[max(0, match.start() - 40) : match.start()].rsplit("\n", 2)[-1]
        if match.start("house") > at and _HOME.search(said):
            yield _span(text, match.start(), match.end())


def _street_start(text: str, match: re.Match[str]) -> int | None:
    """Where the name of the street begins whose ending was found; None where it is no name."""
    at = match.start()
    low = max(0, at - _REACH)
    while at > low and (
        text[at - 1].isalpha() or (text[at - 1] in "-.'’" and at - 2 >= low and text[at - 2].isalpha())
    ):
        at -= 1
    word = text[at : match.end("end")]
    joined = at < match.start()
    if not (word[:1].isupper() or (joined and not word.islower())):
        return None
    words = re.findall(r"[^\s]+", text[max(low, text.rfind("\n", low, at) + 1) : at])
    taken = 0
    while taken < len(words) and taken < 3:
        candidate = words[-1 - taken]
        if joined and candidate.lower() not in _ADJECTIVES:
            break
        if (
            not re.fullmatch(r"[A-ZÄÖÜ][\w.’'-]*", candidate)
            or candidate.lower() in _NOT_STREETS
            or (candidate.endswith((".", ":")) and candidate.lower() not in ("st.", "dr.", "prof."))
        ):
            break
        taken += 1
        if not joined and taken and candidate.lower().rstrip("s").endswith(("er", "e")):
            break
    if not joined and not taken:
        return None
    for candidate in words[len(words) - taken :][::-1]:
        at = text.rindex(candidate, 0, at)
    return at


def _english(text: str) -> Iterator[Span]:
    for match in _ENGLISH.finditer(text):
        yield _span(text, match.start(), match.end())
    for match in _UNIT_ANCHOR.finditer(text) if any(unit in text for unit in _UNITS) else ():
        start, end = _extended(text, match.start(), match.end())
        yield _span(text, start, end)
    for match in _AT_NUMBER.finditer(text):
        end = _run_end(text, match.start("run"))
        if _is_street(text[match.start("run") : end]):
            yield _span(text, match.start("run"), end)
    for cue in _ENGLISH_HOME.finditer(text):
        end = _run_end(text, cue.end())
        written = text[cue.end() : end]
        if re.search(r"\d", written) and re.search(r"[^\W\d_]{3}", written):
            yield _span(text, cue.end(), end)


def _is_street(written: str) -> bool:
    """Whether a number and capitalised words are more than `5 May` or `3 Million`: a way, another number, or several lines."""
    words = written.split()
    if len(words) < 2 or words[1].lower().strip(".,") in _COUNTED:
        return False
    return any(word.strip(".,") in _WAY_WORDS for word in words[1:]) or any(word[0].isdigit() for word in words[2:])


def _run_end(text: str, at: int) -> int:
    """End of the run of capitalised words and numbers that begins there."""
    for _ in range(16):
        part = _RUN.match(text, at)
        if part is None:
            break
        at = part.end()
        if part[0].endswith(". ") and len(part[0]) > 6:
            break
    return at


def _extended(text: str, start: int, end: int) -> tuple[int, int]:
    """The run around a flat's number: back to a house number, on through town, state and country."""
    low = max(0, start - 60)
    before = re.search(
        r"(?<![\w.])\d{1,6}[A-Za-z]?[ ](?:[^\W\d_][\w'’.-]*,?[ \n]{1,2}|\d{1,4}[a-z]?,?[ \n]{1,2}){1,6}\Z",
        text[low:start],
    )
    if before is not None:
        start = low + before.start()
    else:
        street = re.search(r"(?:[A-ZÀ-ÖØ-Þ][\w'’.-]*[ ]){1,4}\d{1,5}[a-z]?,?[ \n]{1,2}\Z", text[low:start])
        start = low + street.start() if street is not None else start
    following = re.compile(r",?[ ]?\n?[ ]?").match(text, end)
    return start, max(end, _run_end(text, following.end() if following else end))


def _span(text: str, start: int, end: int) -> Span:
    written = text[start:end].rstrip(" \n,.;:-")
    value = re.sub(r"[\W_]+", " ", written.casefold().replace("strasse", "straße").replace("str.", "straße")).strip()
    return Span(start, start + len(written), TYPE, value)
