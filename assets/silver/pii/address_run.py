"""Finds postal addresses in the orders of other countries: a run of house number, names, unit, town, state, postcode
and country, over several lines and quoted lines, around a sign that it is an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from assets.silver.pii.figures import around_figures, found, near_figures
from assets.silver.pii.lower import lowered

Range = tuple[int, int]

_LONGEST = 24
"""Words and numbers of an address."""

_HOUSE_DIGITS = 3

_BACK = 110
"""Characters before a sign in which its address may begin."""

WAYS = (
    r"Street|St|Str|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Parkway|Pkwy"
    r"|Circle|Cir|Highway|Hwy|Trail|Trl|Close|Crescent|Gardens|Grove|Mews|Row|Walk|Quay|Turnpike|Alley|Plaza|Loop|Path|Pike|Ridge"
    r"|View|Broadway|Streets|Squares|Hill|Parade|Esplanade|Crossing|Bypass|Expressway|Freeway"
)
_WAY_WORDS = frozenset(way.lower() for way in WAYS.split("|"))
_UPPER = r"[A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽΑ-ΫЀ-Я∆]"
_CAPITAL = rf"{_UPPER}[\w'’.∆-]*"
_NUMBER = re.compile(r"#?\d[\dA-Za-z]{0,6}(?:[-/–]\w{1,5})?")
_LINKS = frozenset(
    "of the de da do dos das del della dello delle dei degli di du des la le les el los las van von der den dem ten ter te het und op aan zur zum am"
    " im a y i e u v z o et al lo".split()
)
_STREET_WORDS = frozenset(
    "rue via viale piazza piazzale corso strada vicolo largo rua avenida avda av travessa calle c/ carrer paseo plaza camino ronda ulica"
    " ul ul. al. aleja plac os. osiedle ulice náměstí nám třída chemin allée allee avenue quai impasse route cours boulevard bd place sentier"
    " passage ruelle utca útja út u u. tér tere rkp rkp. körút sor köz sétány kapu gate gata gatan vei veien vej vejen väg vägen plass plads torv"
    " katu tie polku põik tn tänav tee puiestee gade allé straat laan weg plein kade gracht singel dreef steeg hof"
    " οδός λεωφόρος στρατηγού strasse straße gasse platz".split()
)
_SUFFIXES = (
    "straat|laan|plein|gracht|singel|dreef|kade|steeg|gade|vej|vejen|stræde|veien|vegen|vägen|gatan|gata|gränd|katu|kuja|polku|utca"
    "|strasse|straße|gasse|brücke|gade|stræti|braut|gatu"
)
_UNITS = r"Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Rm|Penthouse|Bldg|Building"
_SURE_UNITS = ("apt", "apartment", "suite", "ste")
_NO_CAPITALS = frozenset(
    "it it's its i i'm i'll the this that these those we you he she they my our your his her please mobile phone tel fax email"
    " desk office after at on in by with of for not no please call last next near room rooms great it serves from to and but or if when where who what so there here is are was were thanks regards best dear name subject".split()
)
_ABBREVIATED = frozenset(
    "st str ave blvd rd dr ln ct pl sq ste apt ul al os u no nr mt ft bldg c av avda bd rkp hwy fl rm n s e w".split()
)
_COUNTED = frozenset(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov"
    " dec million billion thousand hundred percent am pm gb mb kb tb ghz mhz km kg usd eur euro euros dollars minutes hours days weeks"
    " months years st nd rd th".split()
)

_PIECE = re.compile(
    rf"(?P<gap>[ \t]*(?:,[ \t]*)?(?:\r?\n(?:[ \t>|?*]*|[ \t]*\n[ \t]*(?={_CAPITAL}(?:[ ]{_CAPITAL})?[ ]\d{{4,5}}(?!\w))))?(?:,[ \t]*)?)"
    r"(?P<word>[^\s,;>|]+)"
)
"""A blank line is part of an address before country and postcode alone; lines may be quoted."""

_WORD = re.compile(r"[^\s,;>|]+")

_STRONG = re.compile(
    r"\b(?:address(?:es)?(?:[ ]\w+){0,4}?(?:[ ]?[:=]|[ ](?:is|was|to|with|as|of|at|in))|address[:,]?"
    r"|(?:liv(?:e|es|ed|ing)|resid(?:e|es|ed|ing)|stay(?:s|ed|ing)?)[ ](?:at|in|on)|(?:located|situated|based|registered|born|arrived|arrive|arrives)[ ](?:at|in|on)"
    r"|(?:ship|deliver|mail|send|sent|move|moved|moving|relocate|relocated|forward|post|return)\w*[ ](?:it[ ]|this[ ]|them[ ]|me[ ])?to|(?:taxi|cab|ride|uber)[ ](?:to|from)"
    r"|(?:office|house|home|apartment|flat|shop|store|station|stop|restaurant|hotel|school|building|place|it|it's|party)[ ](?:is[ ])?(?:on|at|in)"
    r"|(?:visit|find|meet|see|reach|join)[ ](?:us|you|me|him|her|them)[ ]at|meet(?:ing)?[ ]at|(?:drops|dropped|drop|pick|picks|picked)[ ](?:\w+[ ])?(?:off|up)[ ]at|enter[ ]on|stop[ ]at"
    r"|residence[:,]?|refers[ ]to|(?:they|addresses|there|it)[ ](?:are|is)[ ]?:|the[ ]same[ ]?:|user[ ]?:)[ ]?:?[ \n]+(?=\S)",
    re.IGNORECASE,
)
_STRONG_BEGINS = re.compile(
    r"[abcdefhijlmoprstuv](?<!\w.)(?:(?<=a)(?:ddress|rriv|part)|(?<=b)(?:ased|orn|uild)|(?<=c)ab|(?<=d)(?:eliver|rop)|(?<=e)nter|(?<=f)(?:orward|lat|ind)|(?<=h)(?:ous|ome|otel)|(?<=i)t|(?<=j)oin|(?<=l)(?:iv|ocat)|(?<=m)(?:ail|ov|eet)"
    r"|(?<=o)ffice|(?<=p)(?:ost|lace|arty|ick)|(?<=r)(?:esid|egist|elocat|eturn|ide|estaurant|each|ef)|(?<=s)(?:tay|ituat|hip|end|ent|hop|tore|tat|top|chool|ee)|(?<=t)(?:axi|hey|here|he same)|(?<=u)(?:ber|ser)|(?<=v)isit)"
)
"""How each of these begins, in lower case."""

_CORNER = re.compile(r"\b(?:the )?corner of (?=\S)", re.IGNORECASE)
_AT = re.compile(rf"\b(?:at|on|to|from|of|near|in)[ ][ :\[]{{0,2}}(?=\d{{1,6}}[A-Za-z]?[ ](?:{_UPPER}|\d))")
_UNIT = re.compile(rf"(?<!\w)(?i:(?:{_UNITS})\.?)[ ]#?(?:\d{{1,5}}[A-Za-z]?|[A-Z]\d{{0,4}}|[A-Z]-\d{{1,4}})(?!\w)")
_UNIT_WORDS = tuple(f"{unit.lower()}{mark}" for unit in _UNITS.split("|") for mark in (" ", ". "))
_NUMBERED_WAY = re.compile(
    rf"\d(?<![\w.,/$€£-].)\d{{0,5}}(?:[-/]\d{{1,4}})?[A-Za-z]?[ ](?:(?:N|S|E|W|North|South|East|West|NE|NW|SE|SW)\.?[ ])?"
    rf"(?:(?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th)|of|the)[ ]){{0,4}}?(?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th))[ ](?:{WAYS})\b\.?"
)
_FOREIGN_BEFORE = re.compile(
    r"[RrVvPpCcSsAaTtUuIiBbQq](?<![\w/].)(?:(?<=[Rr])(?:ue|ua|oute)|(?<=[Vv])(?:ia|iale|icolo)|(?<=[Pp])(?:iazza|aseo|lace)|(?<=C)/|(?<=[Cc])(?:orso|alle|arrer|amino|hemin)|(?<=[Ss])trada"
    r"|(?<=[Aa])(?:venida|vda\.?|llée|venue)|(?<=[Tt])ravessa|(?<=[Uu])(?:l\.|lica)|(?<=[Ii])mpasse|(?<=[Bb])(?:oulevard|d\.?)|(?<=[Qq])uai)"
    rf"[ ](?:(?:de|da|do|dos|das|del|della|dello|delle|dei|degli|di|du|des|la|le|les|el|los|las|l'|d')[ ]?){{0,3}}{_CAPITAL}"
)
_BEFORE_FOREIGN = re.compile(r"(?<![\w/])\d{1,5}(?:[ ]?(?:bis|ter))?,?[ ]\Z")
_FOREIGN_END = re.compile(rf"(?<![\w-]){_UPPER}[^\W\d_]{{2,}}(?:{_SUFFIXES})[ ]\d{{1,4}}[A-Za-z]?(?!\w)")
_NAMED_STREET = re.compile(
    rf"\b(?:on|at|in|along|off|near|to|from|of)[ ](?P<street>{_CAPITAL}(?:[ ]{_CAPITAL}){{1,3}})[ ](?:[Ss]treet|St|[Rr]oad|Rd|[Aa]venue|Ave|[Bb]oulevard|Blvd|[Ll]ane)\b"
)
_POSTCODE_END = re.compile(
    rf"(?:^|[,\n])[ >|?*]*(?:[A-Z]{{2,3}}|{_CAPITAL}(?:[ ]{_CAPITAL})?(?:[ ]\({_CAPITAL}\))?)[ \n>]{{1,3}}\d{{4,5}}(?:-\d{{4}})?(?!\w)"
)
_BRITISH_END = re.compile(r"(?<!\w)[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}(?!\w)")
_HOUSES = re.compile(rf"\b(?:{WAYS}|Cottage|House|Farm|Lodge|Barn|Hall|Manor|Rectory|Vicarage)\b")
"""What a British address without a number names."""

_MILITARY = re.compile(
    r"(?<!\w)(?i:(?:(?:PSC|Unit|CMR)[ ]\d{3,5},?[ ]Box[ ]\d{2,5}|(?:USNS|USS|USNV|USCGC)[ ](?:[A-Za-z][\w'’-]*[ ]?){1,3})(?:,?[ \n>]{1,3})"
    r"(?:APO|FPO|DPO)[ ,]{1,2}A[AEP][ ]\d{5}(?:-\d{4})?)(?!\w)"
)
_PLACE_END = (
    rf"(?:,?[ \n]{{1,3}}{_CAPITAL}(?:[ -]{_CAPITAL}){{0,3}}(?:,[ \n]?(?:[A-Z]{{2}}|{_CAPITAL}(?:[ ]{_CAPITAL})?))?"
    r",?[ \n]{1,2}(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}|[A-Z]\d[A-Z][ ]?\d[A-Z]\d|\d{4})(?!\w))"
)
_BOX = re.compile(
    rf"(?<!\w)(?i:P\.?[ ]?O\.?[ ]?Box|Post(?:al)?[ ]?Box|Boîte[ ]postale|Casella[ ]postale|Postbus)[ ]\d{{1,6}}(?!\w)(?:{_PLACE_END})?"
)
_BOX_WORDS = ("box ", "postbus", "postale", "usns ", "uss ", "usnv ", "uscgc ")
_STREETS = ("Street", " street", " St.", " St ", "Road", " road", " Rd", "Avenue", "Ave.", "Boulevard", "Blvd", "Lane")

_DIGIT = re.compile(r"\d")
_FIRST_LETTER = re.compile(r"(?<![\w'’])[^\W\d_]")
_NUMBER_BEFORE = re.compile(r"(?<![\w.,/$€£-])#?\d{1,6}[A-Za-z]?[ ]\Z")
_UNIT_BEFORE = re.compile(rf"\b(?:{_UNITS})\.?[ ]\Z")
_BETWEEN_NUMBERS = re.compile(
    rf"\d(?<![\w.,/$€£-].)\d{{1,5}}[A-Za-z]?[ ](?P<name>(?:{_CAPITAL}[ ]){{1,4}})\d{{1,4}}[A-Za-z]?\.?(?=,[ \n]+{_CAPITAL}|[ ]*\n|[ ](?:{_UNITS})\b)"
)
_CUE_REACH = 110
"""Characters before a number in which a word about homes may stand."""

_FIGURES = re.compile(r"\d+")
_WORD_BEFORE = re.compile(r"([^\W\d_][\w'’.-]*)[ ,]{1,2}\Z")
_BEFORE_NUMBERS = frozenset(" ,")
_WORD_BEHIND = re.compile(r"[A-Za-z]?[.,]?[ \n>,]{1,3}([^\W_][^\W\d_]*)")

_VERSION = re.compile(rf"{_CAPITAL}[ ]\d(?:\.\d+)*")
"""`Python 3`: a name with a digit behind, where even words about homes say little."""

_GOES_ON = re.compile(rf"[ ]*\n|[ ](?:{_UNITS})\b|[ ]{_UPPER}")
_JOINT = re.compile(r"\.?[ ](?:[Ss]tr?\.?[ ])?(?:and|And|&)[ ](?=\S)")
_STATE_END = re.compile(r"[ \t]*\n|[ ]\d{4,5}\b")


def runs(text: str) -> Iterator[Range]:
    """Addresses in the text, in any order; they may overlap."""
    if text.islower():
        # nobody's capitals tell names from other words: every word counts as one
        text = _FIRST_LETTER.sub(lambda match: match[0].upper() if len(match[0].upper()) == 1 else match[0], text)
    for start, end in _found(text, lowered(text)):
        before = _NUMBER_BEFORE.search(text, max(0, start - 9), start) if text[start].isalnum() else None
        start = before.start() if before else start
        unit = _UNIT_BEFORE.search(text, max(0, start - 12), start)
        yield (unit.start() if unit else start), end


def _found(text: str, lower: str) -> Iterator[Range]:
    if "corner of" in lower:
        yield from _corners(text)
    if any(word in text for word in _STREETS):
        yield from _named_streets(text)
    figures = near_figures(text)
    if not figures:
        return
    for match in _NUMBERED_WAY.finditer(text):
        yield match.start(), _end(text, match.end())
    for match in _BETWEEN_NUMBERS.finditer(text):
        if not any(word.lower() in _COUNTED for word in match["name"].split()):
            yield match.start(), _end(text, match.start())
    if any(word in lower for word in _UNIT_WORDS):
        for match in found(_UNIT, text, figures):
            yield from _around_unit(text, match)
    for match in found(_AT, text, figures):
        end = _end(text, match.end())
        if _is_street(text[match.end() : end]):
            yield match.end(), end
    yield from _where_homes_are(text)
    yield from _from(text, _foreign_streets(text))
    yield from _from(text, (match.span() for match in found(_FOREIGN_END, text, around_figures(text))))
    for match in (*found(_POSTCODE_END, text, around_figures(text)), *found(_BRITISH_END, text, figures)):
        at = match.start() + len(match[0]) - len(match[0].lstrip(",\n >|?*"))
        start = _start(text, at)
        if start == at and match.re is _BRITISH_END:
            start = _start(text, at, numbered=False)
        british = match.re is _BRITISH_END and _HOUSES.search(text, start, at)
        if start < at and (_is_home(text[start:at]) or british):
            yield start, _end(text, match.end())
    if any(word in lower for word in _BOX_WORDS):
        for pattern in (_MILITARY, _BOX):
            yield from (match.span() for match in pattern.finditer(text))


def _around_unit(text: str, unit: re.Match[str]) -> Iterator[Range]:
    start, end = _start(text, unit.start()), _end(text, unit.end())
    sure = unit[0].lower().startswith(_SURE_UNITS) or _DIGIT.search(text, start, unit.start())
    if sure and (start < unit.start() or end > unit.end()):
        yield start, end


def _where_homes_are(text: str) -> Iterator[Range]:
    """Runs behind words that say where somebody lives or something is; looked for before numbers beside names."""
    done = 0
    lower = lowered(text)
    for number in _FIGURES.finditer(text):
        if number.start() < done or not _is_by_a_name(text, number):
            continue
        low = max(done, number.start() - _CUE_REACH)
        for begins in _STRONG_BEGINS.finditer(lower, low, max(low, number.end())):
            cue = _STRONG.match(text, begins.start())
            if cue is not None:
                end = _end(text, cue.end(), sure=True)
                if _is_home(text[cue.end() : end]) and not _VERSION.fullmatch(text, cue.end(), end):
                    yield cue.end(), end
        done = max(done, number.end())


def _is_by_a_name(text: str, number: re.Match[str]) -> bool:
    behind = _WORD_BEHIND.match(text, number.end())
    if behind is not None and (not behind[1][0].islower() or behind[1] in _STREET_WORDS or behind[1] in _LINKS):
        return True
    if text[number.start() - 1 : number.start()] not in _BEFORE_NUMBERS:
        return False
    before = _WORD_BEFORE.search(text, max(0, number.start() - 24), number.start())
    return before is not None and (before[1][0].isupper() or before[1] in _STREET_WORDS)


def _foreign_streets(text: str) -> Iterator[Range]:
    """Streets that begin with what they are, with a number before them where there is one."""
    for match in found(_FOREIGN_BEFORE, text, around_figures(text)):
        number = _BEFORE_FOREIGN.search(text, max(0, match.start() - 12), match.start())
        yield number.start() if number else match.start(), match.end()


def _from(text: str, beginnings: Iterable[Range]) -> Iterator[Range]:
    for start, least in beginnings:
        end = _end(text, start)
        if _is_home(text[start:end]):
            yield start, max(end, least)


def _corners(text: str) -> Iterator[Range]:
    """Two streets that meet."""
    for corner in _CORNER.finditer(text):
        end = _end(text, corner.end())
        joint = _JOINT.match(text, end)
        if joint is not None:
            yield corner.start(), _end(text, joint.end())
        elif _DIGIT.search(text, corner.end(), end):
            yield corner.start(), end


def _named_streets(text: str) -> Iterator[Range]:
    """A street of two words or more, without a number; of one word most are known to everybody (Wall Street)."""
    for match in _NAMED_STREET.finditer(text):
        if match["street"].split()[0].lower() not in _NO_CAPITALS:
            yield match.start("street"), match.end()


def _is_home(written: str) -> bool:
    """Whether a run behind words about homes is an address: a number and a name, and not only a date or a count."""
    words = [word.strip("().,:'\"") for word in written.split()]
    if not any(_NUMBER.fullmatch(word.rstrip(".")) for word in words if word):
        return False
    names = [
        word
        for word in words
        if len(word) > 1 and word[:1].isalpha() and (word[0].isupper() or word.lower() in _STREET_WORDS)
    ]
    if not names or all(word.lower() in _COUNTED for word in names):
        return False
    return names[-1].lower() not in _COUNTED or len(names) > 1


def _is_street(written: str) -> bool:
    """Whether a number and capitalised words are more than `5 May` or `3 Million`: a way, another number, or lines."""
    words = written.split()
    if len(words) < 2 or words[1].lower().strip(".,") in _COUNTED:
        return False
    if not any(word[0].isalpha() for word in words):
        return False
    return any(word.strip(".,").lower() in _WAY_WORDS for word in words[1:]) or any(
        word[0].isdigit() for word in words[2:]
    )


def _end(text: str, at: int, *, sure: bool = False) -> int:
    """End of the run of names and numbers that begins or goes on there.

    Args:
        sure: words before it say that an address follows, so it may hold a word that is no name.
    """
    end = at
    numbers = others = 0
    for _ in range(_LONGEST):
        piece = _PIECE.match(text, at)
        if piece is None:
            break
        word = piece["word"]
        core = word.strip("().,:'\"!?")
        if word.endswith(":") or not core:
            break
        kind = _kind(core)
        if kind == "" and not _is_state(text, piece, core):
            # `Anna and Main Street 5`, `Stensås terrasse 38`
            if not sure or others or numbers > 1 or not _leads_to_number(text, piece.end(), core):
                break
            others += 1
        numbers += kind == "number"
        at = piece.end()
        if kind != "link":
            end = at - (len(word) - len(word.rstrip(".,:'\"!?")))
        closes = word.endswith(("!", "?")) or (
            word.endswith(".") and len(core) > 1 and core.lower() not in _ABBREVIATED
        )
        # a house number may end in a full stop (Hungary), a postcode does not
        if closes and not (core.isdigit() and len(core) <= _HOUSE_DIGITS and _GOES_ON.match(text, at)):
            break
        if word.endswith(")") and "(" not in text[max(0, at - 30) : at]:
            break
    return end


def _is_state(text: str, piece: re.Match[str], core: str) -> bool:
    """A short word between commas and lines, such as a state written small."""
    return len(core) in (2, 3) and core.isalpha() and "," in piece["gap"] and bool(_STATE_END.match(text, piece.end()))


def _leads_to_number(text: str, at: int, core: str) -> bool:
    if not core.isalpha():
        return False
    limit = 3 if core in ("and", "und") else 2
    for _ in range(limit):
        piece = _PIECE.match(text, at)
        if piece is None or "\n" in piece["gap"]:
            return False
        kind = _kind(piece["word"].strip("().,:'\"!?") or "-")
        if kind == "number":
            return True
        if kind == "":
            return False
        at = piece.end()
    return False


def _start(text: str, at: int, *, numbered: bool = True) -> int:
    """Where the run begins that leads to `at`: at the first house number on its line, or on the line before."""
    low = max(0, at - _BACK)
    low = max(low, text.rfind("\n\n", low, at) + 1)
    pieces = [
        (low + match.start(), low + match.end(), match[0])
        for match in _WORD.finditer(text[low:at])
        if low == 0 or match.start() > 0 or text[low - 1].isspace()
    ]
    first = number = at
    lines = 0
    behind = at
    for start, end, word in reversed(pieces):
        core = word.strip("().,:'\"")
        lines += text.count("\n", end, behind)
        kind = _kind(core) if core else ""
        closed = word.endswith((":", "!", "?")) or (
            word.endswith(".") and core.lower() not in _ABBREVIATED and kind != "number"
        )
        # a line above the number's own belongs to the address only while no number was found
        if kind == "" or closed or lines > 3 or (number < at and text.count("\n", end, behind)):
            break
        behind = start
        first = start
        if kind == "number":
            number = start
    return _beginning(text, first, number, at) if numbered else first


def _beginning(text: str, first: int, number: int, at: int) -> int:
    """The first name of a street that begins with its name, where a word that leads to a place stands before it."""
    if number == at:
        return at
    if first < number and re.search(
        r"\b(?:at|on|in|to|is|of|near|from|and)[ ]\Z|[:\[(|][*_\"]{0,3}[ ]{0,8}\Z|\n[ >|]*\Z|\A\Z",
        text[max(0, first - 12) : first],
    ):
        return first
    return number


def _kind(core: str) -> str:
    """`number`, `name`, `link`, or nothing of an address."""
    if core[0].isdigit() or (core[0] == "#" and core[1:2].isdigit()):
        return "number" if _NUMBER.fullmatch(core) else ""
    lower = core.lower()
    if lower in _STREET_WORDS:
        return "name"
    if core[0].isupper() or core[0] == "∆":
        return "" if lower in _NO_CAPITALS else "name"
    return "link" if lower in _LINKS else ""
