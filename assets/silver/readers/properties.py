"""Properties that programs keep in a file: which of them a person wrote, and what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping

from assets.silver.metadata import Metadata, metadata_from
from assets.silver.normalise import one_line

_TITLE_OF_A_PROGRAM = re.compile(
    r"\.(?:docx?|odt|pptx?|xlsx?|indd|tex|dvi|pdf|rtf|pages|qxd|html?|ps)\b|^microsoft|^untitled|^unbenannt|^document\d*$"
    r"|^dokument\d*$|^pr[äe]sentation\d*$|^powerpoint|^slide \d|^https?:|^titel?$|^title$|^word document$"
    r"|[\\/_]{2,}|^[\W\d_]+$",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"^(?:user|admin\w*|administrator|root|unknown|unbekannt|author|autor|anonymous|python-(?:docx|pptx)|openpyxl"
    r"|steve canny|microsoft[\w\s]*|apache poi|\W*)$",
    re.IGNORECASE,
)
_SHORTEST_TITLE, _LONGEST_TITLE = 3, 200


def properties(values: Mapping[str, object]) -> Metadata:
    """Title, author, date and language from a file's properties, without what a program left behind there.

    Args:
        values: `title`, `author`, `date`, `language`, `keywords`; others are ignored, and so are empty ones.
    """
    title = one_line(str(values.get("title") or ""))
    author = one_line(str(values.get("author") or ""))
    usable = _SHORTEST_TITLE <= len(title) <= _LONGEST_TITLE and not _TITLE_OF_A_PROGRAM.search(title)
    found = metadata_from(
        {
            "title": title if usable else None,
            "date": _text(values.get("date")),
            "language": _text(values.get("language")),
            "keywords": _text(values.get("keywords")),
        }
    )
    # What a program wrote and nobody can use is no mistake of the editor's.
    return Metadata(found.title, _people(author), found.tags, found.published, found.language)


def _people(author: str) -> tuple[str, ...]:
    """Names in a property: separated by semicolons, or by commas where each piece is a whole name.

    An address is no name, and an author's line is shown to everybody.
    """
    names = [name.strip() for name in author.split(";")]
    if len(names) == 1 and all(" " in piece.strip() for piece in names[0].split(",")):
        names = [name.strip() for name in names[0].split(",")]
    return tuple(dict.fromkeys(name for name in names if not _NOBODY.match(name) and "@" not in name))


def _text(value: object) -> str | None:
    return one_line(str(value)) or None if value else None
