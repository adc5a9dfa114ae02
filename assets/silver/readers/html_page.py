"""Reads HTML pages: what the page is about, with its structure and metadata, without what surrounds it.

trafilatura judges what the main content is and reads the metadata; the blocks are made here, because its own
output loses headings, the nesting of lists, and text that has no paragraph of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.silver.document import Document
from assets.silver.language import language_code
from assets.silver.limits import DEFAULT_LIMITS, Limits
from assets.silver.metadata import Metadata, metadata_from, parse_date
from assets.silver.normalise import DocumentBuilder, one_line
from assets.silver.readers import html_tree, xml_tree
from assets.silver.readers.html_tree import Piece, Pieces
from assets.silver.refusal import RefusedError

if TYPE_CHECKING:
    from lxml.html import HtmlElement

READER = "html/7"

_BEGINS = re.compile(
    r"(?:<!--.*?-->|<\?xml[^>]*\?>|\s)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_SEARCHED = 8192

_AROUND_TAGS = frozenset(("nav", "footer", "aside", "dialog"))
_AROUND_ROLES = frozenset("navigation banner contentinfo search complementary dialog alertdialog menu menubar".split())
_AROUND_NAMES = re.compile(
    r"(?:^|[\s_-])(?:cookies?|consent|gdpr|dsgvo|nav|navbar|navigation|navheader|navfooter|topnav|menu|breadcrumbs?"
    r"|sidebar|footer|share|sharing|sharedaddy|social|newsletter|subscribe|subscription-widget|comments?|respond"
    r"|(?:jp-)?(?:related|recommended)-?(?:posts?|articles?|stories|content|reading)?|disqus_thread|giscus"
    r"|advert(?:isement)?|ads?|banner|promo|popup|modal|overlay|skip-?(?:link|nav|to-content)|pagination|pager|toc"
    r"|screen-reader-text|visually-hidden|sr-only)(?:$|[\s_-])",
    re.IGNORECASE,
)
_NAMES_THAT_HOLD_ALL = frozenset(("html", "body", "main", "article"))
_UNSEEN_NAMES = re.compile(
    r"(?:^|[\s_-])(?:skip-?(?:link|nav|to-content)|screen-reader-text|visually-hidden|sr-only|share|sharing|breadcrumbs?)"
    r"(?:$|[\s_-])",
    re.IGNORECASE,
)
"""The names that say so of an element within a line, too."""
_OF_READERS = re.compile(r"comment|respond|disqus|giscus", re.IGNORECASE)
"""Names of what readers wrote, of which there may be more than of the text."""
_WITHIN_TEXT = frozenset("a abbr b big cite code em font i kbd mark q s small span strong sub sup time u var".split())
_PARTS_OF_TEXT = frozenset("h1 h2 h3 h4 h5 h6 p dt".split())
_NOT_WORDS = re.compile(r"[\W_]+")
_MOST_PROSE = 0.5
"""An element with more of the page's paragraphs than this is no surrounding by its name alone."""
_MOST_AROUND = 0.6
"""An element that holds more of the page than this is no surrounding, whatever its name."""

_NOTES = frozenset("doc-footnote doc-endnote doc-endnotes".split())
"""Roles of what belongs to the text although it stands beside it (Digital Publishing WAI-ARIA)."""

_LARGEST = 50_000
"""Elements of a page up to which the main content is judged; trafilatura takes about 4 µs of CPU for each, and more
where it has to try again."""

_LEAST_MAIN = 0.5
"""Share of a page's text that its main element holds, or it is not taken for that."""

_SHINGLE = 3
_KEPT_SHARE = 0.5
_LEAST_KEPT = 0.3
_MOSTLY_LINKS = 0.6
_ONLY_LINKS = 0.95
_FEW_LINKS = 0.1
_PROSE = 80
"""Characters of a paragraph, without links, that is content even where trafilatura leaves it out at the edges."""
_ENDS_OF_SENTENCES = (".", "!", "?", ":", ".“", ".”", ".)", '."', ".↩︎")
_CODA = re.compile(
    r"\W*(?:\d+\s+)?(?:(?:kommentare?|comments?|responses?)\b(?!\s+\w+\s+\w+)|no (?:comments?|responses?)\b"
    r"|leave a (?:reply|comment)|(?:schreibe?n?|hinterlasse?n?)\s.{0,12}kommentar|diskutieren sie|ihre meinung"
    r"|(?:ähnliche|weitere|verwandte|neueste|meist ?gelesene|beliebte)"
    r"\s(?:artikel|beiträge|themen|nachrichten|meldungen|posts)"
    r"|(?:related|similar|recent|popular|latest)\s(?:posts|articles|stories|news|content|reading|topics)|mehr zum thema"
    r"|auch interessant|das könnte (?:sie|dich|euch)|you (?:may|might) also|more (?:from|stories|articles)|recommended"
    r"|lesen sie auch|read (?:next|also)|über (?:den autor|die autorin)|about the author|(?:artikel|beitrag) teilen"
    r"|teilen(?: mit)?:?$|share this|diesen (?:artikel|beitrag))",
    re.IGNORECASE,
)
"""What introduces the part of a page that comes behind its text."""
_COMMENTS = re.compile(r"\W*(?:\d+\s+)?(?:kommentare?|comments?|responses?)\W*(?:\d+\W*)?", re.IGNORECASE)
_LONGEST_CODA = 60
_MOST_IN_CODA = 0.2
_NOTICE = re.compile(
    r"\bcookies?\b|all rights reserved|alle rechte vorbehalten|^\W*(?:©|\(c\)|copyright)", re.IGNORECASE
)

_PUBLISHED = (
    "article:published_time datepublished date dc.date dc.date.issued dcterms.date dcterms.created dcterms.issued"
    " dc.terms.date pubdate publish-date publish_date publication_date parsely-pub-date sailthru.date og:published_time"
    " citation_publication_date citation_date created"
).split()
_LINKED_DATA = re.compile(r'"datePublished"\s*:\s*"([^"\\]{8,40})"')


@dataclass(frozen=True, slots=True)
class _Measures:
    """Characters of a page: of its text, and of its paragraphs."""

    length: int
    prose: int


def shows(text: str) -> bool:
    """Whether the text begins as HTML pages do."""
    return _BEGINS.match(text, 0, _SEARCHED) is not None or xml_tree.root_name(text) in ("html", "head", "body")


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """An HTML page.

    Args:
        text: the whole file.

    Raises:
        RefusedError: `nested_too_deep`, `empty`.
    """
    root = html_tree.parse(text, limits.nesting)
    metadata = _metadata(root)
    found = _main_pieces(root)
    if not found.shown:
        raise RefusedError("empty")
    builder = DocumentBuilder()
    add_pieces(builder, found.shown)
    return metadata.over(builder.build(READER, hidden=tuple(found.hidden)))


def add_pieces(builder: DocumentBuilder, pieces: Sequence[Piece]) -> None:
    """Append the pieces of an HTML tree as blocks."""
    for piece in pieces:
        builder.add(piece.kind, piece.text, level=piece.level)


def _main_pieces(root: HtmlElement) -> Pieces:
    """The blocks of the main content, and all that is hidden anywhere on the page."""
    page = _Measures(max(1, _length(root)), _prose(root))
    outside: list[HtmlElement] = []

    def is_outside(element: HtmlElement) -> bool:
        if around := _is_around(element, page):
            outside.append(element)
        return around

    found = html_tree.pieces(root, is_outside)
    hidden = [*found.hidden, *(text for element in outside for text in html_tree.pieces(element).hidden)]
    if not found.shown:
        return html_tree.pieces(root)
    if sum(1 for _ in root.iter()) > _LARGEST or (not outside and _is_bare(found.shown)):
        return Pieces(found.shown, hidden)
    main = _main(root, sum(len(piece.text) for piece in found.shown))
    inner = (
        html_tree.pieces(main, lambda element: _is_around(element, page), whole=root).shown if main is not None else []
    )
    judged = _judged(root)  # which takes blanks out of code: nothing is read from the tree after it
    if main is not None:
        known = set(_shingles(judged))
        kept = [piece for piece in inner if piece.links < _ONLY_LINKS or _vote(piece, known)]
        return Pieces(_without_tail(_without_coda(kept, known), known), hidden)
    if not judged:
        return Pieces(found.shown, hidden)
    known = set(_shingles(judged))
    return Pieces(_without_coda(_kept(found.shown, known), known), hidden)


def _is_bare(shown: Sequence[Piece]) -> bool:
    """Whether a page is of text alone, as programs export a document, with nothing around it that leads elsewhere."""
    length = sum(len(piece.text) for piece in shown)
    if any(
        piece.links >= _MOSTLY_LINKS or _CODA.match(piece.text[:_LONGEST_CODA]) or _NOTICE.search(piece.text)
        for piece in shown
    ):
        return False
    return sum(piece.links * len(piece.text) for piece in shown) < _FEW_LINKS * length


def _main(root: HtmlElement, length: int) -> HtmlElement | None:
    """The element that the page itself calls its main content, if it holds enough of it."""
    named = [*root.iter("main"), *(element for element in root.iter() if element.get("role") == "main")]
    articles = list(root.iter("article"))
    for element in [*articles[: len(articles) == 1], *named]:
        if sum(len(" ".join(text.split())) for text in element.itertext()) >= _LEAST_MAIN * length:
            return element
    return None


def _role(element: HtmlElement) -> str:
    return (element.get("role") or "").strip().lower()


def _is_around(element: HtmlElement, page: _Measures) -> bool:
    """Whether the element is navigation, a notice or the like rather than content."""
    tag = element.tag
    role = _role(element)
    if tag in _NAMES_THAT_HOLD_ALL or role in _NOTES or any(_role(child) in _NOTES for child in element):
        return False
    if (
        tag in _AROUND_TAGS
        or role in _AROUND_ROLES
        or (tag == "header" and not any(parent.tag in ("article", "main") for parent in element.iterancestors()))
    ):
        return _length(element) < _MOST_AROUND * page.length
    named = _named_around(element)
    if named is None or _length(element) >= _MOST_AROUND * page.length:
        return False
    return _OF_READERS.search(named) is not None or _prose(element) <= _MOST_PROSE * page.prose


def _named_around(element: HtmlElement) -> str | None:
    """The class or id by which an element says that it is none of the content; None where it does not.

    An id that is made from a heading tells what the section is about, however it sounds.
    """
    if element.tag in _WITHIN_TEXT:
        names = element.get("class") or ""
        return names if _UNSEEN_NAMES.search(names) else None
    names = element.get("class") or ""
    if _AROUND_NAMES.search(names):
        return names
    key = element.get("id") or ""
    if element.tag in _PARTS_OF_TEXT or _AROUND_NAMES.search(key) is None:
        return None
    heading = next(element.iter("h1", "h2", "h3", "h4", "h5", "h6"), None)
    words = _NOT_WORDS.sub("-", heading.text_content().casefold()).strip("-") if heading is not None else ""
    slug = _NOT_WORDS.sub("-", key.casefold()).strip("-")
    return None if words and (words.startswith(slug) or slug.startswith(words)) else key


def _prose(element: HtmlElement) -> int:
    """Characters of an element's paragraphs."""
    return sum(len(paragraph.text_content()) for paragraph in element.iter("p"))


def _length(element: HtmlElement) -> int:
    """Characters of an element's text, programs and style sheets aside."""
    return len(element.text_content()) - sum(len(program.text or "") for program in element.iter("script", "style"))


def _judged(root: HtmlElement) -> str:
    """Text of what trafilatura takes for the main content; empty where it finds none."""
    from trafilatura import bare_extraction

    found = bare_extraction(
        root, include_comments=False, include_tables=True, favor_recall=True, with_metadata=False, deduplicate=False
    )
    text = getattr(found, "text", None)
    return text if isinstance(text, str) else ""


def _without_coda(pieces: list[Piece], known: set[tuple[str, ...]]) -> list[Piece]:
    """The pieces in front of what introduces comments, other articles or their author, where little of the rest is
    main content."""
    for place, piece in enumerate(pieces):
        if place and len(piece.text) <= _LONGEST_CODA and _CODA.match(piece.text):
            rest = [_vote(other, known) for other in pieces[place + 1 :]]
            before, behind = (sum(len(other.text) for other in part) for part in (pieces[:place], pieces[place:]))
            comments = _COMMENTS.fullmatch(piece.text) is not None and before >= _LEAST_KEPT * behind
            if comments or sum(vote is True for vote in rest) <= _MOST_IN_CODA * len(rest):
                return pieces[:place]
    return pieces


def _without_tail(pieces: list[Piece], known: set[tuple[str, ...]]) -> list[Piece]:
    """The pieces up to the last that is main content, and what goes on right behind it; captions and calls between
    that are neither sentences nor main content are left out."""
    votes = [_vote(piece, known) for piece in pieces]
    chosen = [place for place, vote in enumerate(votes) if vote]
    if not chosen:
        return pieces
    first, last = chosen[0], chosen[-1]
    while last + 1 < len(pieces) and _goes_on(pieces[last + 1]):
        last += 1
    kept = [
        piece
        for place, (piece, vote) in enumerate(zip(pieces[: last + 1], votes, strict=False))
        if vote is not False or place < first or not _is_aside(piece)
    ]
    enough = sum(len(piece.text) for piece in kept) >= _LEAST_MAIN * sum(len(piece.text) for piece in pieces)
    return kept if enough else pieces


def _kept(pieces: Sequence[Piece], known: set[tuple[str, ...]]) -> list[Piece]:
    """The pieces from the first to the last that belong to the main content, without lists of links between."""
    votes = [_vote(piece, known) for piece in pieces]
    if not any(votes):
        return list(pieces)
    chosen = [place for place, vote in enumerate(votes) if vote or _is_prose(pieces[place])]
    first, last = chosen[0], chosen[-1]
    while first and pieces[first - 1].kind == "heading":
        first -= 1
    while last + 1 < len(pieces) and _goes_on(pieces[last + 1]):
        last += 1
    kept = [
        piece
        for piece, vote in zip(pieces[first : last + 1], votes[first : last + 1], strict=True)
        if vote is not False or piece.links < _ONLY_LINKS
    ]
    readable = sum(len(piece.text) for piece in pieces if piece.links < _MOSTLY_LINKS)
    return kept if sum(len(piece.text) for piece in kept) >= _LEAST_KEPT * readable else list(pieces)


def _is_prose(piece: Piece) -> bool:
    long = len(piece.text) >= _PROSE and piece.kind in ("paragraph", "list", "code")
    return long and piece.links < 1 - _MOSTLY_LINKS and _NOTICE.search(piece.text) is None


def _is_aside(piece: Piece) -> bool:
    return (
        piece.kind == "paragraph"
        and len(piece.text) < _PROSE
        and "\n" not in piece.text
        and not piece.text.rstrip().endswith(_ENDS_OF_SENTENCES)
    )


def _goes_on(piece: Piece) -> bool:
    """Whether a piece right behind the main content belongs to it: a list, table or sentence that is no notice."""
    whole = piece.kind in ("list", "table", "code") or piece.text.rstrip().endswith(_ENDS_OF_SENTENCES)
    return whole and piece.kind != "heading" and piece.links < 1 - _MOSTLY_LINKS and not _NOTICE.search(piece.text)


def _vote(piece: Piece, known: set[tuple[str, ...]]) -> bool | None:
    """Whether the piece's words stand in the main content; None where it has too few to tell."""
    own = list(_shingles(piece.text))
    return sum(shingle in known for shingle in own) >= _KEPT_SHARE * len(own) if own else None


def _shingles(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return [tuple(words[at : at + _SHINGLE]) for at in range(len(words) - _SHINGLE + 1)]


def _metadata(root: HtmlElement) -> Metadata:
    """What the page's head says; only a date that the page declares is one."""
    from trafilatura.metadata import extract_metadata

    # its own search for a date takes any year that the text mentions; a fixed last day keeps the clock out of it
    found = extract_metadata(root, date_config={"extensive_search": False, "max_date": "2199-12-31"})
    declared = {
        "title": _og_title(root) or _styled_title(root) or found.title,
        "authors": [name for name in (found.author or _named_author(root)).split("; ") if name],
        "tags": [part.strip() for tag in [*(found.categories or ()), *(found.tags or ())] for part in tag.split(",")],
        "date": _declared_date(root),
        "url": found.url,
    }
    language = language_code(root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or "")
    values = metadata_from({name: value for name, value in declared.items() if value})
    return Metadata(
        title=values.title,
        authors=values.authors,
        tags=values.tags,
        published=values.published,
        language=language,
        url=values.url,
    )


def _og_title(root: HtmlElement) -> str | None:
    for element in root.iter("meta"):
        if element.get("property") == "og:title" and one_line(element.get("content") or ""):
            return one_line(element.get("content"))
    return None


def _styled_title(root: HtmlElement) -> str | None:
    """The paragraph in the style of a title, where the head has none: exports of Google Docs are made so."""
    if any(one_line(title.text_content()) for title in root.iter("title")):
        return None
    for element in root.iter("p"):
        if "title" in (element.get("class") or "").split() and (text := one_line(element.text_content())):
            return text
    return None


def _named_author(root: HtmlElement) -> str:
    """Who the head names in so many words; trafilatura passes over a name of one word."""
    for element in root.iter("meta"):
        said = one_line(element.get("content") or "")
        if (element.get("name") or "").lower() == "author" and said and not said.startswith("http") and "@" not in said:
            return said
    return ""


def _declared_date(root: HtmlElement) -> str | None:
    named: dict[str, str] = {}
    for element in root.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop") or ""
        named.setdefault(name.strip().lower(), element.get("content") or "")
    dates = [day for name in _PUBLISHED if (day := parse_date(named.get(name, "")[:40]))]
    if dates:
        return dates[0]
    for script in root.iter("script"):
        if "ld+json" in (script.get("type") or "") and (match := _LINKED_DATA.search(script.text or "")):
            return parse_date(match[1])
    for element in root.iter("time"):
        said = element.get("pubdate") is not None or element.get("itemprop") == "datePublished"
        around = any(parent.tag in ("article", "header") for parent in element.iterancestors())
        if (said or around) and (day := parse_date(element.get("datetime") or "")):
            return day
    return None
