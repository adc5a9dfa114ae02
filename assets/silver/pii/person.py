"""Finds names of people: by a model of the text's language, by titles and introductions, and by names said before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from assets.silver.pii import names_de, names_en
from assets.silver.pii.extra import NameModel
from assets.silver.pii.handles import named_by_handles
from assets.silver.pii.lexicon import is_name, lexicon
from assets.silver.pii.span import Span

TYPE = "PERSON"

Range = tuple[int, int]

_UPPER = r"[A-ZÀ-ÖØ-ÞĀ-Ž]"
_WORD = rf"(?:{_UPPER}[^\W\d_]*(?:['’-][^\W\d_]+)*|{_UPPER}\.)"
_LINK = r"(?:von|van|de|der|den|del|della|di|da|dos|du|zu|zur|vom|ten|ter|la|le|el|al|bin|ibn)"
_NAME = rf"{_WORD}(?:[ ](?:{_LINK}[ ]){{0,2}}{_WORD}){{0,3}}"
_FULL = rf"{_WORD}(?:[ ](?:{_LINK}[ ]){{0,2}}{_WORD}){{1,3}}"
_TITLE = r"(?:Dr|Prof|Professor|Professorin|Doktor|Dipl|Ing|med|phil|jur|rer|nat|habil|Mag|h\.c)\.?(?:-Ing\.)?"

TITLES = re.compile(
    rf"\A(?:(?:Herrn?|Frau|Fräulein|Hr\.|Fr\.|Mr\.?|Mrs\.?|Ms\.?|Miss|Mx\.?|Sir|Dame|Lord|Lady|{_TITLE})[ ]+)+"
)
"""What stands before a name and is none."""

_TITLED = re.compile(
    rf"[HFMDP](?<![\w-].)(?:(?:(?<=H)errn?|(?<=F)rau|(?<=F)räulein|(?<=H)r\.|(?<=F)r\.|(?<=M)r\.?|(?<=M)rs\.?|(?<=M)s\.?|(?<=M)x\.?)[ ](?:{_TITLE}[ ])*|(?:(?<=D)r|(?<=P)rof)\.[ ](?:{_TITLE}[ ])*)(?P<name>{_NAME})"
)
_INTRODUCED = re.compile(
    rf"(?:(?i:\b(?:mein name ist|ich heiße|ich heisse|heißt du|my name is|my name's|name is|i am called|this is|hier spricht|hier ist|gezeichnet|signed(?: by)?)[ :,]+))(?P<name>{_NAME})"
)
_GREETED = re.compile(
    rf"(?:^|(?<=[\n.!?,] )|(?<=\n))(?:Liebe[rs]?|Lieb|Hallo|Hi|Hey|Hello|Dear|Guten (?:Tag|Morgen|Abend)|Moin|Servus|Grüezi|Danke|Thanks|Thank you|Good (?:morning|afternoon|evening))[ ,]+(?P<name>{_NAME})(?=[ ]?[,!.\n;:]|$)",
    re.MULTILINE,
)
_CLOSED = re.compile(
    rf"(?i:\b(?:grüße|grüßen|gruß|grüsse|grüssen|herzlich|herzlichst|regards|sincerely|yours|cheers|best wishes|respectfully))[ ]?,?[ ]?(?:\n[ ]?){{1,2}}(?P<name>{_NAME})[ ]*(?=\n|$)"
)
_ON_BEHALF = re.compile(rf"(?<![\w.])(?:i\.[ ]?[AV]\.|gez\.|ppa\.)[ ]+(?P<name>{_NAME})")
_LABELLED = re.compile(
    rf"(?:^|(?<=[\n;,|\t]))[ ]*(?i:(?:vor- und nach|nach|vor|familien|geburts|first |last |full |sur|middle |kontakt|user)?name|ansprechpartner(?:in)?|kontoinhaber(?:in)?|inhaber(?:in)?"
    rf"|patient(?:in)?|kunde|kundin|mieter(?:in)?|arbeitnehmer(?:in)?|mitarbeiter(?:in)?|sachbearbeiter(?:in)?|account holder|cardholder|customer|employee|contact(?: person)?|recipient|empfänger(?:in)?|absender(?:in)?|beneficiary)"
    rf"[ ]?:[ ]*(?P<name>{_NAME}(?:,[ ]{_WORD})?)[ ]*(?=[\n,;|(\t]|$)",
    re.MULTILINE,
)
_SPEAKING = re.compile(
    rf"^(?P<time>\[?\d\d?:\d\d(?::\d\d)?\]?[ ]*(?:-[ ])?)?(?P<name>{_UPPER}[^\W\d_]+(?:[ ]{_WORD}){{0,2}})(?:[ ]\([^)\n]{{2,20}}\))?:(?=[ ]\S)",
    re.MULTILINE,
)
"""Who says a line of a chat or a transcript; `time` stands before it in a chat, where hardly anything else does."""

_LAST_LINE = re.compile(rf"\n[ ]*(?P<name>{_NAME})\s*\Z")
_IT_IS = re.compile(
    rf"\b(?i:it['’]s|i['’]m|i[ ]am|chatting[ ]with|speaking[ ]with|ich[ ]bin|hier[ ]ist)[ ](?P<name>{_NAME})"
)
_IT_IS_CUES = ("it's ", "it’s ", "i'm ", "i’m ", "i am ", "ting with ", "king with ", "ich bin ", "hier ist ")
_RULES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (_TITLED, ("herr", "frau", "fräulein", "hr.", "fr.", "mr", "ms", "mx", "dr.", "prof.")),
    (
        _INTRODUCED,
        (
            "mein name",
            "ich hei",
            "heißt du",
            "name is",
            "name's",
            "i am called",
            "this is",
            "hier ",
            "signed",
            "gezeichnet",
        ),
    ),
    (
        _GREETED,
        (
            "lieb",
            "hallo",
            "hi ",
            "hi,",
            "hey",
            "hello",
            "dear",
            "guten ",
            "moin",
            "servus",
            "grüezi",
            "dank",
            "thank",
            "good ",
        ),
    ),
    (
        _CLOSED,
        ("grüße", "gruß", "grüsse", "herzlich", "regards", "sincerely", "yours", "cheers", "wishes", "respectfully"),
    ),
    (_ON_BEHALF, ("i. a.", "i.a.", "i. v.", "i.v.", "gez.", "ppa.")),
    (_LABELLED, (":",)),
)
"""Each pattern with texts in lower case of which one is in everything it finds."""

_PAIR = re.compile(
    rf"(?<![\w@#/.-])(?P<first>{_UPPER}[^\W\d_]+(?:-{_UPPER}[^\W\d_]+)?)[ ](?:{_UPPER}\.?[ ])?(?:{_LINK}[ ]){{0,2}}(?P<last>{_UPPER}[^\W\d_]+(?:['’-][^\W\d_]+)*)(?![\w@])"
)

_ALONE = re.compile(
    rf"(?<![\w@#/.&-]){_UPPER}[^\W\d_]{{3,}}(?![\w@/-])(?![ ](?:Street|St|Road|Ave|Avenue|City|County|University|Inc|Corp|GmbH|[A-Z]))"
)

_NO_NAMES = frozenset(
    "ihr ihre ihnen sie wir alle team kollegen kollegin kollege damen herren freunde freundin freund gäste leser leserin mitglieder"
    " kunde kunden kundin nachbarn eltern zusammen all everyone everybody there sir madam team folks friends customer customers"
    " user users reader readers colleagues guys world hiring support service kundenservice herr frau doktor doctor professor"
    " präsident präsidentin minister ministerin bundeskanzler bundeskanzlerin president it he she the this that not what why how and"
    " i my you we they yes no ja nein hallo hi dear der die das den dem ein eine und oder aber dank gott god jesus mutter vater mama papa"
    " grüße grüsse gruß bitte danke liebe lieber guten morgen tag abend monday tuesday wednesday thursday friday saturday sunday montag dienstag"
    " mittwoch donnerstag freitag samstag sonntag january february march april may june july august september october november"
    " december januar februar märz mai juni juli oktober dezember".split()
)
_COMPANY = re.compile(
    r"[ -]?(?:,[ ])?(?:&[ ](?:Co\b|Cie\b|Söhne|Sohn|Töchter|Partner|Sons)|(?:[A-Z][\w-]*[ ]){0,2}(?:GmbH|gGmbH|mbH|AG|KG|KGaA|SE|OHG|UG|eG|GbR|e\.[ ]?V\.|eV|Inc|Ltd|LLC|LLP|PLC|plc|Corp|Corporation|Company"
    r"|Group|Gruppe|Holding|Stiftung|Foundation|Institut|Institute|University|Universität|Verlag|Bank|Versicherung|GMBH|Limited|Technologies|Systems"
    r"|Software|Bros|Brothers|S\.A\.|SA|NV|BV|AB|Oy|SpA)(?![\w]))"
)
"""What makes a company of the name before it."""

_TO_A_PLACE = re.compile(r"\b(?:Richtung|in|zwischen|ab|bis|from|near) #?\Z")
"""Before a single word: a place follows, hardly ever a surname."""

_TITLE_BEFORE = re.compile(rf"(?<![\w-])(?:Herrn?|Frau|Fräulein|Hr\.|Fr\.|{_TITLE})[ ]\Z")
_WAY_BEFORE = re.compile(r"(?:\b(?:Richtung|Nähe von|Höhe(?: von)?|Bahnhof|Haltestelle|Abfahrt|Ausfahrt)[ ]|→[ ]?)#?\Z")
_WAY_BEHIND = re.compile(r"[ ](?:Richtung|Hbf|Hauptbahnhof|Bahnhof|Bhf)\b|[ ]?\(\d{1,2}[:.]\d\d\)|[ ]\(ots\)")
_SENTENCE_BEFORE = re.compile(r"(?:\A|[\n.!?:;–„\"(/|,]|[@#]\w+|[\W_]{2})[ ]*\Z")

_NO_SINGLE = frozenset(
    "tel fax iban bic email e-mail mail mobil telefon phone www http https url html css api rust python java linux windows google apple"
    " microsoft amazon facebook twitter github gitlab docker kubernetes instagram youtube wikipedia openstreetmap corona covid brexit"
    " mon tue wed thu fri sat sun jan feb mar apr jun jul aug sep oct nov dec okt dez jähriger jährige jährigen"
    " bosch siemens daimler porsche opel tesla miele haribo henkel adidas puma ferrari lamborghini renault peugeot citroën aldi lidl edeka rewe nike boeing"
    " airbus juventus borussia samsung toyota honda yamaha sony philips olympia"
    " naja tja tjaja ach oha hm okay jup puh boah ups moin servus ciao sorry bravo hurra prost herrje jawohl ahoi hallöchen"
    " ähm äh hä wieviel verdi mercedes škoda skoda bayer monsanto pegida hertha dax volkswagen thyssenkrupp"
    " jenkins grafana kafka terraform python django flask"
    " internet web app bot chat gpt ai ki eu usa uk nato afd cdu csu spd fdp grüne linke bahn hbf nord süd ost west".split()
)
_BRANDS = frozenset(
    (
        "dow jones,charlie hebdo,beate uhse,hugo boss,jil sander,louis vuitton,calvin klein,tommy hilfiger,ralph lauren,jack wolfskin,jack daniels"
        ",johnnie walker,jim beam,goldman sachs,morgan stanley,merrill lynch,lehman brothers,kleinwort benson,ernst young,aston martin,alfa romeo"
        ",porsche cayenne,harley davidson,mercedes benz,hewlett packard,krauss-maffei wegmann,madame tussauds,wells fargo,booz allen,ernst klett"
        ",axel springer verlag,philip morris,tim hortons,yves rocher,super mario"
    ).split(",")
)
"""Companies, papers and goods that are called as people are."""

_DRAWN_OUT = re.compile(r"\S*([a-zß-ÿ])\1\1\S*")
"""`Heyyyy`: no name is written so."""

_ARTICLES = re.compile(
    r"(?i:\b(?:der|die|das|dem|den|des|ein|eine|einen|einem|einer|kein|keine|the|a|an|this|that|these|dieser|diese|dieses|im|am|zum|zur|vom)[ ]+)\Z"
)
_HOUSE_BEFORE = re.compile(
    r"\b(?:FC|SC|SV|TSV|TV|VfB|VfL|TuS|FSV|Team|Via|Port|San|Santa|Saint|Sankt|St ?\.|Los|Las|Radio|Hotel|Café|Restaurant|Gasthof|Verlag|Firma|Autohaus|Bäckerei"
    r"|Hurrikan|Tropensturm|Taifun|Zyklon|Orkan|Sturm|Sturmtief|Orkantief|Tief|Hoch|Frachter|Fähre|MS|Flughafen|Insel|Vulkan"
    r"|Metzgerei|Apotheke|Zweirad|Brauerei|Weingut|Villa|Galerie|Kaufhaus|Möbel)[ ]#?\Z"
)
_HOUSE_BEHIND = re.compile(
    r"[ ](?:Band|Comics|Airways|Airlines|Records|Index|Indexes|Hotel|Orchester|Quartett|Quintett|Trio|Show|Street|Winery|Festival|Cup|Open|Awards?|Arena|Stadion"
    r"|Mühle|Schule|Gymnasium|Klinik|Werke?|Motors?|Media|Entertainment|Pictures|Studios)\b"
)
_HOLY = re.compile(r"(?:San|Santa|Santo|Sankt|Saint|St ?\.|Los|Las)[ ]\w")
"""A church, a school or a town: nobody is called so."""

_AGED = re.compile(r"[Jj]ährige[rnms]?[ ]")
_BYLINE = re.compile(rf"Von[ ](?={_UPPER})")
_ROLE = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)+)[ ](?=\w)")
_COUNTRIES = frozenset(
    "deutschland österreich schweiz frankreich italien spanien portugal england schottland irland wales großbritannien belgien niederlande holland luxemburg"
    " dänemark norwegen schweden finnland island polen tschechien slowakei ungarn rumänien bulgarien griechenland türkei russland ukraine weißrussland litauen"
    " lettland estland kroatien serbien bosnien slowenien albanien kosovo mazedonien montenegro zypern malta amerika kanada mexiko brasilien argentinien chile"
    " peru kolumbien kuba afrika ägypten marokko tunesien libyen algerien nigeria kenia südafrika asien indien china japan korea nordkorea südkorea vietnam"
    " thailand indonesien afghanistan pakistan iran irak syrien libanon jordanien israel palästina australien neuseeland europa bayern sachsen thüringen hessen"
    " brandenburg niedersachsen westfalen nordrhein rheinland pfalz saarland holstein schleswig mecklenburg vorpommern württemberg tirol kärnten steiermark".split()
)
"""Never a person, though some stand in lists of names."""

_LONGEST_PART = 40
_HYPHENS_BEFORE = re.compile(r"(?:[^\W_]+-)+\Z")
_HYPHENS_BEHIND = re.compile(r"(?:-[^\W_]+)+")
_GENITIVE = re.compile(r"(?:['’]s?|(?<=[^sxzß])s)\Z")
_NOT_IN_NAMES = re.compile(r"[\d<>{}\[\]()|=/\\@#*`\x00\n]")
_EDGE = re.compile(r"[\w.]")
_SHORTEST_SAID = 4
"""Letters of a surname that is looked for again in the same text."""


class People:
    """Names without their titles.

    Args:
        models: by language, in place of the packaged ones.
    """

    cues = ()

    def __init__(self, models: Mapping[str, NameModel] = MappingProxyType({})) -> None:
        self._models = models

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        found = _merged([*self._by_model(text, language), *_by_rule(text), *_by_pair(text, language)])
        found = [
            place
            for place in (_trimmed(text, *place) for place in found)
            if place and not _is_something_else(text, place, language)
        ]
        known = _known_names(text, found)
        found = _merged([*found, *_said_again(text, known, found)])
        for start, end in found:
            yield Span(start, end, TYPE, _value(text[start:end], known))

    def _by_model(self, text: str, language: str | None) -> list[Range]:
        known = "en" if language == "en" else "de"
        if known in self._models:
            return self._models[known].ranges(text)
        return names_en.ranges(text) if known == "en" else names_de.ranges(text)


def _by_rule(text: str) -> Iterator[Range]:
    lower = text.lower()
    for pattern, cues in _RULES:
        if not any(cue in lower for cue in cues):
            continue
        for match in pattern.finditer(text):
            words = _leading_names(match["name"], sure=pattern in (_TITLED, _LABELLED, _ON_BEHALF))
            if words:
                start = match.start("name")
                yield start, start + len(words)
    for pattern, shown in (
        (_SPEAKING, ": " in text),
        (_IT_IS, any(cue in lower for cue in _IT_IS_CUES)),
        (_LAST_LINE, "\n" in text),
    ):
        for match in pattern.finditer(text, text.rstrip().rfind("\n") if pattern is _LAST_LINE else 0) if shown else ():
            first = match["name"].partition(" ")[0]
            if is_first_name(first) or (pattern is _SPEAKING and _is_a_speaker(first, timed=bool(match["time"]))):
                words = _leading_names(match["name"], sure=False)
                yield match.start("name"), match.start("name") + len(words)
    yield from named_by_handles(text, is_first_name)


def _is_a_speaker(word: str, *, timed: bool) -> bool:
    """Whether a word before a colon is somebody: a first name, or after a time of day any word that is no common one."""
    lower, lists = word.lower(), lexicon()
    if lower in _NO_NAMES or lower in _NO_SINGLE or lists.is_noun(lower) or lower in lists.groups:
        return False
    return lower in lists.first_names or (timed and word not in lists.groups and lower not in lists.small)


def _leading_names(written: str, *, sure: bool) -> str:
    """The names a run of capitalised words begins with; empty where it begins with none.

    Args:
        sure: what stands before is hardly ever followed by anything else.
    """
    lists = lexicon()
    end = 0
    after_first = False
    for match in re.finditer(r"[^\s]+", written):
        lower = match[0].lower().strip(".,")
        listed = after_first or is_name(lower, lists.first_names) or is_name(lower, lists.surnames)
        link = match[0].islower()
        after_first = end == 0 and is_name(lower, lists.first_names)
        if (
            lower in _NO_NAMES
            or (not listed and not link and lists.is_simple_noun(lower))
            or (not sure and not listed and lower in lists.groups)
        ):
            break
        if end == 0 and not sure and not listed and len(lower) < 3:
            break
        end = match.end() if not link else end
    return written[:end].rstrip(",")


def _by_pair(text: str, language: str | None) -> Iterator[Range]:
    """A listed first name with a capitalised word behind it that is no common one; in English also a first name alone."""
    lists = lexicon()
    at = 0
    while match := _PAIR.search(text, at):
        first, last = match["first"].lower(), match["last"].lower()
        at = match.end()
        if not is_name(first, lists.first_names) or first in _NO_NAMES or last in _NO_NAMES:
            at = match.end("first")
            continue
        surname = is_name(last, lists.surnames)
        if lists.is_noun(last) and not surname:
            continue
        common_first = not is_first_name(match["first"]) and (first in lists.groups or lists.is_noun(first))
        common_last = last in lists.groups or lists.is_noun(last) or last in lists.towns
        if (surname and not (common_first and common_last)) or not (common_first or common_last):
            yield match.start(), match.end()
    if language == "en":
        for match in _ALONE.finditer(text):
            if is_first_name(match[0]) and not _ARTICLES.search(text, max(0, match.start() - 12), match.start()):
                yield match.span()


def is_first_name(word: str) -> bool:
    """Whether a word is a first name and little else: listed, no noun, no town, and among names by its meaning."""
    lower, lists = word.lower(), lexicon()
    if lower not in lists.first_names or lower in _NO_NAMES or lower in _NO_SINGLE or lower in lists.towns:
        return False
    if lists.is_simple_noun(lower):
        return False
    group = lists.groups.get(word)
    return group[0] in lists.named if group is not None else lower not in lists.groups


def _trimmed(text: str, start: int, end: int) -> Range | None:
    """The name itself, without title, genitive of English and marks; None where nothing is left of it."""
    title = TITLES.match(text[start:end])
    if title:
        start += title.end()
    before = _AGED.match(text, start, end) or _ROLE.match(text, start, end)
    if before and (before.re is _AGED or _is_a_role(before[1].lower())):
        start = before.end()
    while start < end and not text[start].isalnum():
        start += 1
    cut = _NOT_IN_NAMES.search(text, start, end)
    if cut is not None:
        end = cut.start()
    while end > start and not _EDGE.match(text[end - 1]):
        end -= 1
    if _BYLINE.match(text, start, end) and _SENTENCE_BEFORE.search(text, max(0, start - 30), start):
        start += len("Von ")
    written = text[start:end]
    if re.search(r"['’]s\Z", written):
        end -= 2
    elif written.endswith(".") and not re.search(rf"(?:^|[ .]){_UPPER}\.\Z", written):
        end -= 1
    written = text[start:end]
    if "_" in written and text[max(0, start - 1) : start] not in ("@", "#"):
        return None  # `og_image`; a file's name is read again without its lines
    if not any(c.isalpha() for c in written) or TITLES.fullmatch(f"{written} "):
        return None
    if written.lower() in _NO_NAMES or (written.isupper() and len(written) < 3 and "." not in written):
        return None
    return start, end


def _is_something_else(text: str, place: Range, language: str | None) -> bool:
    """Whether it is the name of a company, or a single word that is known to be none."""
    start, end = place
    if _COMPANY.match(text, end):
        return True
    written = text[start:end]
    if written.lower() in _BRANDS or _DRAWN_OUT.fullmatch(written):
        return True
    first, _, rest = written.lower().partition(" ")
    if rest.rpartition(" ")[2] in _NO_SINGLE and not is_name(first, lexicon().first_names):
        return True  # `Async Rust`, `Talk Python`
    tagged = language != "en" and text[max(0, start - 1) : start] == "#"
    if tagged and " " in written and not is_name(first, lexicon().first_names):
        return True
    if language != "en" and _is_an_institution(text, start, end):
        return True
    if language != "en" and _is_a_compound(text, start, end):
        return True
    if " " in written or "." in written:
        return False
    lower, lists = written.lower(), lexicon()
    if f"{written}es" in text and re.search(rf"\b(?:des|eines|dieses)[ ]{re.escape(written)}es\b", text):
        return True  # `des Mutzes`: no name ends so
    if language != "en" and _is_a_place_or_common(text, start, written):
        return True
    if lower in _NO_SINGLE or (lower not in lists.first_names and _TO_A_PLACE.search(text, max(0, start - 12), start)):
        return True
    if is_name(lower, lists.first_names) or is_name(lower, lists.surnames):
        return False
    return lists.is_simple_noun(lower) or lower in lists.towns or (written.isupper() and len(written) <= 5)


def _is_a_role(lower: str) -> bool:
    """Whether a word with hyphens before a name is what the person does: `England-Trainer`, `Borussia-Manager`."""
    first, last, lists = lower.partition("-")[0], lower.rpartition("-")[2], lexicon()
    return (
        last not in lists.first_names
        and (first not in lists.first_names or first in _COUNTRIES)
        and lists.is_noun(last)
        and (last not in lists.surnames or first in _COUNTRIES or first in lists.towns)
    )


def _is_a_compound(text: str, start: int, end: int) -> bool:
    """Whether it is, or lies in, a German word with hyphens that ends in a noun or is made of places:
    `Edeltrud-Tunnel`, `England-Trainer`, `Buch-Bernau`; nobody is called so.
    """
    before = _HYPHENS_BEFORE.search(text, max(0, start - _LONGEST_PART), start)
    rest = _HYPHENS_BEHIND.match(text, end)
    whole = text[before.start() if before else start : rest.end() if rest else end].rpartition(" ")[2]
    parts, lists = whole.lower().split("-"), lexicon()
    if len(parts) < 2 or (
        " " in text[start:end] and is_name(text[start:end].partition(" ")[0].lower(), lists.first_names)
    ):
        return False
    first, last = parts[0], parts[-1]
    if whole[:1].isupper() and whole.rpartition("-")[2].islower():
        return True  # `Kastanien-sammelnden`
    if last in lists.first_names:
        return False
    placed = first in _COUNTRIES or first in lists.towns or first in lists.places
    if lists.is_noun(last) and (last not in lists.surnames or placed or first not in lists.surnames):
        return True
    return placed and (last in lists.towns or last in lists.places)


def _is_an_institution(text: str, start: int, end: int) -> bool:
    """Whether the words beside a name make a club, a firm, a band or a church of it."""
    return bool(
        _HOUSE_BEFORE.search(text, max(0, start - 20), start)
        or _HOUSE_BEHIND.match(text, end)
        or _HOLY.match(text, start)
    )


def _is_a_place_or_common(text: str, start: int, written: str) -> bool:
    """Whether a German single word, though some people are called so, is rather a town, or a word that is also
    written small and begins a sentence; not where a title says that somebody is named.
    """
    lower, lists = written.lower(), lexicon()
    if _TITLE_BEFORE.search(text, max(0, start - 20), start):
        return False
    if is_name(lower, _COUNTRIES):
        return True
    if _WAY_BEFORE.search(text, max(0, start - 16), start) or _WAY_BEHIND.match(text, start + len(written)):
        return True
    if is_name(lower, lists.first_names):
        return False
    if (
        is_name(lower, lists.towns)
        or is_name(lower, lists.places)
        or (lists.is_simple_noun(lower) and text[max(0, start - 1) : start] not in ("#", "@"))
    ):
        return True
    group = lists.groups.get(lower.capitalize())
    if (group is not None and group[0] in lists.named) or not _SENTENCE_BEFORE.search(text, max(0, start - 30), start):
        return False
    return lower in lists.groups or lower in lists.small or _begins_a_sentence(text, start + len(written), lower)


_SMALL_BEHIND = re.compile(r"[ ](?=[a-zß-ÿ])")
_NOUN_BEHIND = re.compile(r"[ ](?P<noun>[A-ZÄÖÜ][a-zß-ÿ]{3,})(?![\w-])")
_ADJECTIVE_ENDS = ("en", "em", "er", "es", "e")


def _begins_a_sentence(text: str, end: int, lower: str) -> bool:
    """Whether a surname, as the first word of a sentence, is rather a verb (`Weicht bitte aus`) or an adjective before
    its noun (`Starke Behinderungen`).
    """
    lists = lexicon()
    if lower.endswith("t") and _SMALL_BEHIND.match(text, end):
        stem = lower[:-2] if lower.endswith("et") else lower[:-1]
        if f"{stem}en" in lists.small or f"{stem}en" in lists.nouns:
            return True
    if lower.endswith("e") and _SMALL_BEHIND.match(text, end):  # `Ignoriere alle`, `Vergesse bitte`
        infinitive = f"{lower}n"
        if (
            lower.endswith("iere")
            or infinitive in lists.small
            or infinitive in lists.nouns
            or infinitive in lists.groups
        ):
            return True
    noun = _NOUN_BEHIND.match(text, end)
    return (
        noun is not None
        and lists.is_noun(noun["noun"].lower())
        and any(lower.endswith(ending) and lower.removesuffix(ending) in lists.small for ending in _ADJECTIVE_ENDS)
    )


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _known_names(text: str, found: Sequence[Range]) -> dict[str, str]:
    """Surnames of the people a text names in full, and of each the full name; None of two people with one surname."""
    names: dict[str, set[str]] = {}
    for start, end in found:
        words = text[start:end].split()
        if len(words) > 1 and len(words[-1]) >= _SHORTEST_SAID and words[-1][0].isupper() and _is_surely(words):
            names.setdefault(words[-1], set()).add(" ".join(words))
    return {last: next(iter(full)) for last, full in names.items() if len(full) == 1}


def _is_surely(words: Sequence[str]) -> bool:
    """Whether a list knows a word of a name, and the last one is no brand: `Biweekly Meetup` is not looked for again."""
    lists, last = lexicon(), words[-1].lower()
    return last not in _NO_SINGLE and (
        is_name(last, lists.surnames) or any(is_name(word.lower(), lists.first_names) for word in words)
    )


def _said_again(text: str, known: dict[str, str], found: Sequence[Range]) -> Iterator[Range]:
    """Surnames alone, of people who were named in full elsewhere in the text."""
    for last in sorted(known):
        at = text.find(last)
        while at >= 0:
            end = at + len(last)
            genitive = re.compile(r"(?:['’]s|['’]|s)?(?![\w-])").match(text, end)
            before = text[at - 1 : at]
            if (
                genitive
                and not before.isalnum()
                and before not in "-/@#._"
                and not _ARTICLES.search(text, max(0, at - 12), at)
            ):
                yield at, end if genitive[0].startswith(("'", "’")) else genitive.end()
            elif genitive and not before:
                yield at, end
            at = text.find(last, end)


def _value(written: str, known: dict[str, str]) -> str:
    """A name in its normal form: a surname alone is the person the text names in full."""
    words = " ".join(written.replace("-\n", "-").split()).strip(".,")
    if words not in known and " " not in words:
        words = next(
            (words[: -len(end)] for end in ("s", "'", "’") if words.endswith(end) and words[: -len(end)] in known),
            words,
        )
    return known.get(words, words).casefold()
