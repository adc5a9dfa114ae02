"""Finds postal addresses: a street with a number, and the postcode and town that follow. Towns alone stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.address_run import runs
from assets.silver.pii.figures import figures, found, near_figures
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
_NUMBER_SIGN = r"(?:,?[ ](?:Nr|No|Hausnr)\.?(?!\w))?"
_FIRST_FIGURES = r"\d{1,4}"
_HOUSE = (
    _FIRST_FIGURES
    + r"(?:[ ]?[a-zA-Z](?:[ ]?[-/+–][ ]?[a-zA-Z])?(?!\w))?(?:[ ]?[-–/+][ ]?\d{1,4}(?:[ ]?[a-z](?!\w))?){0,3}"
)
_NOT_A_HOUSE = (
    r"(?![\w%€$])(?![.,:-]\d)(?!\.[ ]?(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|und|bis|Jahrhundert|Platz|Stock|Etage))"
    r"(?![ ]?(?:€|Uhr|Prozent|km|Meter|m|Euro|EUR|Jahr|Jahre|Jahren|Minuten|Stunden|Tage|Personen|Millionen|Kilometer)\b)"
)
_FLOOR = (
    r"(?:(?:,?[ ]|[ ]?/[ ]?)(?:(?:\d{1,2}\.[ ]?(?:OG|UG|Stock|Etage|Obergeschoss)|EG|DG|Erdgeschoss|Hinterhaus|Vorderhaus|Hinterhof|Seitenflügel)(?:[ ](?:links|rechts|mitte|li\.|re\.))?"
    r"|(?:Wohnung|Whg\.?|Top|Tür|Haus|Apartment|Apt\.?|App\.?|Stiege|Stg\.?|Block|Aufgang|Eingang|Gebäude|Zimmer)[ ]?(?:\d{1,3}[a-z]?|[A-Z])(?!\w))){0,3}"
)
_TOWN_WORD = r"[A-ZÄÖÜÉ][^\W\d_]+(?:[-/][^\W\d_]+)*"
_TOWN_LINK = r"(?:am|an|der|im|in|bei|ob|vor|vom|a\.|d\.|i\.|b\.|v\.|zur?|St\.|Sankt)"
_TIMES = (
    "(?:(?:Mon|Diens|Donners|Frei|Sams|Sonn)tag|Mittwoch|Sonnabend|Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober"
    "|November|Dezember|Morgen|Abend|Mittag|Vormittag|Nachmittag|Wochenende|Frühjahr|Frühling|Sommer|Herbst|Winter|Ende|Anfang|Jahr)"
)
_TOWN = (
    rf"(?:(?:Bad|Sankt|St\.|Markt|Groß|Klein|Neu|Alt|La|Le|Les)[ ])?{_TOWN_WORD}(?:[ ]{_TOWN_LINK}(?:[ ]{_TOWN_LINK})?[ ](?!{_TIMES}\b){_TOWN_WORD})?"
    r"(?:[ ]\([^)\n]{2,20}\)|[ ](?:[a-z]\.[ ]?){1,2}[A-ZÄÖÜ][^\W\d_]*\.?)?"
    rf"(?:[ ]?/[ ]?(?:OT[ ])?{_TOWN_WORD}|[ ]OT[ ]{_TOWN_WORD})?"
)
_POSTCODE = r"(?:(?:D|A|CH|DE|AT|F|L|FL)[ ]?[-–][ ]?)?\d{4,5}"
_JOINT = r"(?:[ ]?[,;|·•–-][ ]?\n?[ ]?|[ ]?\n[ ]?|[ ](?:in[ ])?)"
_PLACE = rf"{_JOINT}{_POSTCODE}[ ]{{1,2}}{_TOWN}(?!\w)(?:,?[ \n](?:Deutschland|Germany|Österreich|Austria|Schweiz|Switzerland)(?!\w))?"

_SURE = re.compile(
    rf"(?P<end>(?i:{_ENDS})){_NUMBER_SIGN}[ ]{{0,2}}(?P<house>{_HOUSE}){_NOT_A_HOUSE}{_FLOOR}(?P<place>{_PLACE})?"
)
_WITH_PLACE = re.compile(
    rf"(?P<house>\d(?:(?<![\w.,/-].)|(?<=N[ro]\d)|(?<=N[ro][. ]\d)|(?<=N[ro]\. \d))\d{{0,3}}{_HOUSE.removeprefix(_FIRST_FIGURES)}){_FLOOR}{_PLACE}"
)
_SIGN_BEFORE = re.compile(r"(?<![\w.,/-])(?:Nr|No)\.?[ ]?\Z")
_POST_BOX = re.compile(rf"(?<!\w)Postfach[ ](?:\d[ ]?){{1,8}}\d(?:{_PLACE})?")

_SQUARE = re.compile(
    rf"(?<!\w)[A-U][ ]?[1-7],[ ]?\d{{1,2}}[a-z]?(?:[ ]?[-–][ ]?\d{{1,2}}[a-z]?)?{_FLOOR}(?:(?:{_JOINT}|[ ](?:in[ ])?)(?:D[E]?-)?68\d{{3}}[ ]Mannheim|[ ]in[ ]Mannheim)(?!\w)"
)
"""Mannheim's inner town has squares in place of streets."""

_LED = re.compile(
    rf"(?<![\w-])(?:Straße|Strasse|Platz|Allee|Ufer|Weg|Ring)[ ](?:de[rsnm]|am|zum|zur)[ ](?:\d{{1,2}}\.[ ])?[A-ZÄÖÜ][\w-]+(?:[ ][A-ZÄÖÜ][\w-]+)?{_NUMBER_SIGN}[ ](?P<house>{_HOUSE}){_NOT_A_HOUSE}{_FLOOR}(?:{_PLACE})?"
)
"""`Straße des 17. Juni 156`."""

_PLACE_FIRST = re.compile(
    rf"\d(?<!\w.)\d{{4}}[ ]{{1,2}}{_TOWN}(?:[ ]?[,;·][ ]|\n)(?P<street>(?:(?:Am|An|Auf|Im|In|Zum|Zur|Unter|Hinter|Vor|Beim|Große|Kleine|Alte|Neue|Lange)[ ](?:de[rnm][ ])?)?[A-ZÄÖÜ][\w.'’-]+(?:[ ][A-ZÄÖÜ][\w.-]+){{0,2}}){_NUMBER_SIGN}[ ]{_HOUSE}{_NOT_A_HOUSE}"
)
"""Postcode and town before the street, as forms and lists have them."""

_TOWN_ALONE = re.compile(rf"\d(?<!\w.)\d{{4}}[ ]{{1,2}}{_TOWN}(?!\w)")
_BEFORE_TOWN = re.compile(r"(?:[ ]?[,;|·•–-][ ]?\n?[ ]?|[ ]?\n[ ]?|[ ]in[ ])(?:(?:D|DE)-)?\Z")
_HOUSE_NAME = re.compile(
    r"(?<![\w-])(?:(?:Gut|Rittergut|Schloss|Schloß|Hof|Burg|Villa|Kloster|Forsthaus|Alte[rs]?|Neue[rs]?)[ ][A-ZÄÖÜ][\w-]+"
    r"|(?:Am|An|Auf|Im|In|Zum|Zur|Unter|Hinter|Vor|Beim)[ ](?:de[rmn][ ])?(?:[A-ZÄÖÜ][\w-]+[ ])?[A-ZÄÖÜ][\w-]+"
    rf"|(?:[A-ZÄÖÜ][\w.-]+[ -])?[A-ZÄÖÜ][\w-]*(?i:{_ENDS}))\Z"
)
"""Homes and streets without a number, as villages and estates have them: with postcode and town alone."""

_PLACE_BEFORE = re.compile(rf"(?<![\w-])(?:(?:D|DE|A|CH)-)?\d{{4,5}}[ ]{{1,2}}{_TOWN}(?:[ ]?[,;·|•–-][ ]?|[ ]?\n)\Z")
_ROADS = re.compile(r"(?i:(?:bundes|landes|kreis|staats|europa)(?:straße|strasse))[ ]\d{1,4}\Z")
_NO_STREETS = re.compile(
    r"(?i:(?:stell|park|sitz|steh|tabellen|start|listen|liege|speicher|steck|arbeits|studien|fenster|kita|krippen|ausbildungs|sende|steh)platz|(?:geh|rad|um|fuß|rück|aus|um|lösungs|vertriebs)weg)\b"
)
"""Roads by their numbers, and words that end as streets do."""

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
_LAST_WORD = re.compile(r"[\w.-]+\Z")
_WORD_BEFORE_NUMBER = re.compile(r"[^\W\d_]\.?(?:,?[ ](?:Nr|No|Hausnr)\.?)?[ ]{0,2}\Z")
_LONGEST_BETWEEN = 13
_ENDS_BY_LENGTH = tuple(sorted(_SURE_ENDS, key=len, reverse=True))
_LONGEST_END = max(map(len, _SURE_ENDS))
_HOME_REACH = 110
_NOT_STREETS = frozenset(
    "der die das den dem des ein eine einer eines einem einen in im am an auf zur zum von vom unsere unserer ihre ihrer meine meiner"
    " dieser diese jeder jede neben hinter vor zwischen und oder nach bis über ab auch tel telefon fax nr hausnummer absatz seite"
    " kapitel raum halle zimmer saal gleis stand mobil handy hrb amtsgericht konto seit stand postfach".split()
)
_LEADS = (
    "traße de",
    "trasse de",
    "Platz de",
    "Allee de",
    "Ufer de",
    "Weg de",
    "Ring de",
    "traße zu",
    "traße am",
    "Platz am",
    "Weg zu",
)
_PREPOSITIONS = frozenset("in im am an auf zum zur hinter vor".split())
_ADJECTIVES = frozenset(
    "alte alter altes neue neuer obere oberer untere unterer große großer kleine lange langer hohe mittlere äußere innere st. sankt kurze breite".split()
)


class Addresses:
    """German ones in German order, English ones in English order; both are looked for in every text."""

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        yield from _german(text)
        if language != "de":
            for start, end in runs(text):
                yield _span(text, start, end)


def _german(text: str) -> Iterator[Span]:
    for first_figure, _ in figures(text):
        word = _WORD_BEFORE_NUMBER.search(text, max(0, first_figure - _LONGEST_BETWEEN), first_figure)
        if word is None:
            continue
        after_end = word.start() + 1 + (text[word.start() + 1] == ".")
        ending = text[max(0, word.start() - _LONGEST_END) : after_end].lower()
        if ending.endswith(_ENDS_BY_LENGTH):
            end = next(end for end in _ENDS_BY_LENGTH if ending.endswith(end))
            match = _SURE.match(text, after_end - len(end))
            start = _street_start(text, match) if match is not None else None
            if match is not None and start is not None and not _is_no_street(text, start, match):
                place = _PLACE_BEFORE.search(text, max(0, start - _REACH), start) if match["place"] is None else None
                yield _span(text, place.start() if place else start, match.end())
        elif _is_behind_a_name(text, word.start()) and _HOME.search(
            text, max(0, word.start() - _HOME_REACH), word.start()
        ):
            yield from _unsure(text, word.start())
    for match in _WITH_PLACE.finditer(text):
        sign = _SIGN_BEFORE.search(text, max(0, match.start() - 5), match.start())
        at = sign.start() if sign else match.start()
        before = _STREET_BEFORE.search(text, max(0, at - _REACH), at)
        if before is not None and before[0].split()[-1].lower().strip(".") not in _NOT_STREETS:
            yield _span(text, before.start(), match.end())
    for match in found(_TOWN_ALONE, text, near_figures(text)):
        joint = _BEFORE_TOWN.search(text, max(0, match.start() - 8), match.start())
        home = _HOUSE_NAME.search(text, max(0, joint.start() - _REACH), joint.start()) if joint is not None else None
        if home is not None and home[0].split()[0].lower() not in _NOT_STREETS - _PREPOSITIONS:
            yield _span(text, home.start(), match.end())
    for match in found(_PLACE_FIRST, text, near_figures(text)):
        if match["street"].split()[0].lower().strip(".:") not in _NOT_STREETS - _PREPOSITIONS:
            yield _span(text, match.start(), match.end())
    if any(led in text for led in _LEADS):
        for match in _LED.finditer(text):
            yield _span(text, match.start(), match.end())
    if "Mannheim" in text:
        for match in _SQUARE.finditer(text):
            yield _span(text, match.start(), match.end())
    if "Postfach" in text:
        for match in _POST_BOX.finditer(text):
            yield _span(text, match.start(), match.end())


def _is_no_street(text: str, start: int, match: re.Match[str]) -> bool:
    if match["place"] is not None:
        return False
    written = text[start : match.end("house")]
    return bool(_ROADS.search(written) or _NO_STREETS.search(written))


def _is_behind_a_name(text: str, at: int) -> bool:
    """Whether the word that ends at `at` begins with a capital, as every street of unsure ending does."""
    word = _LAST_WORD.search(text, max(0, at - _REACH), at + 1)
    return word is not None and word[0][0].isupper()


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


def _span(text: str, start: int, end: int) -> Span:
    written = text[start:end].rstrip(" \n,.;:-")
    value = re.sub(r"[\W_]+", " ", written.casefold().replace("strasse", "straße").replace("str.", "straße")).strip()
    return Span(start, start + len(written), TYPE, value)
