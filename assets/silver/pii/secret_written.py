"""Ways in which files, commands and letters hand over a credential without a colon behind the word for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_DOORS = tuple(
    f"{what}{mark}{kind}"
    for words, marks in (
        ("zugangs tür tor alarm schlüsselbox safe tresor", ("", "-")),
        ("lockbox door gate entry box alarm safe", (" ",)),
    )
    for what in words.split()
    for mark in marks
    for kind in ("code", "pin")
)
_WORDS = ("passwor", "kennwort", "passphrase", "passcode")


@dataclass(frozen=True, slots=True)
class _Form:
    """One way.

    Attributes:
        cues: texts in lower case of which one is in every text that it is in.
        pattern: the group that matched last is the credential.
        certain: nothing but a credential can stand there, so it may be any word.
    """

    cues: tuple[str, ...]
    pattern: re.Pattern[str]
    certain: bool = False


_FORMS = (
    # a line of settings
    _Form(
        ("passw", "pass=", "pass =", "pwd=", "pwd =", "secret"),
        re.compile(
            r"^[ \t]*(?:export[ ]|set[ ])?[A-Z][A-Z0-9_]*_?(?:PASSWORD|PASSWD|PASS|PWD|SECRET)[ ]?=[ ]?[\"']?(?P<value>[^\s\"'`<>$,;{}()]{6,200})",
            re.MULTILINE,
        ),
        certain=True,
    ),
    _Form(
        ("password>", "passwort>", "passwd>", "secret>", "apikey>", "api_key>", "token>", "value="),
        re.compile(
            r"(?i)<(?P<name>[\w.:-]*(?:password|passwort|passwd|secret|apikey|api_key|token))>(?P<value>[^<>\s]{6,200})(?=</(?P=name)>)"
            r"|(?:key|name)=[\"'][\w.:-]*(?:password|passwort|passwd|secret|apikey|token)[\"'][ ]+value=[\"'](?P<attribute>[^\"'\s]{6,200})[\"']"
        ),
        certain=True,
    ),
    # ~/.netrc and ~/.pgpass
    _Form(("machine ",), re.compile(r"\bmachine[ ]\S+\s+login[ ]\S+\s+password[ ](?P<value>\S{6,200})"), certain=True),
    _Form(
        (":5432:", ":3306:", ":*:"),
        re.compile(r"^[\w.*-]+:(?:\d{2,5}|\*):[\w*-]+:[\w*-]+:(?P<value>[^\s:]{6,200})$", re.MULTILINE),
    ),
    # in quotes, before or behind the word
    _Form(
        _WORDS,
        re.compile(
            r"(?i)\b(?:passwor[dt]|kennwort|passphrase|passcode)[ ][\"'„“«](?P<value>[^\s\"'“”«»]{6,64})[\"'“”»]"
            r"|[\"'„“«](?P<before>[^\s\"'“”«»]{6,64})[\"'“”»][ ](?:as|is|als|ist)[ ](?:the|your|my|das|dein|ihr)?[ ]?(?:password|passwort|kennwort)"
        ),
    ),
    # behind the word alone, with signs of every kind
    _Form(
        _WORDS,
        re.compile(
            r"(?i)\b\w{0,16}(?:passwor[dt]|kennwort)[ ](?P<value>(?=\S*(?-i:[a-zß-ÿ]))(?=\S*(?-i:[A-ZÀ-Þ]))(?=\S*\d)(?=\S*[!#$%&*+?@^~]|\S{10})[^\s\"'`„“”«»<>,;(){}]{6,64})"
        ),
    ),
    _Form(_WORDS, re.compile(r"(?i)\b(?:passwor[dt]|kennwort)[ ](?P<value>[a-z]{10,64})(?!\w)")),
    # behind what it is for, as what somebody typed, or as what it was set to
    _Form(
        _WORDS,
        re.compile(
            r"(?i)(?:passwor[dt]|kennwort|passphrase|passcode)[ ](?:für|zu|zum|von|vom|for|of|to|on)(?:[ ][^\s:=.;!?]{1,24}){1,5}[ ](?:ist|lautet|is|was)[ ]?:?[ ](?P<value>[^\s\"'`„“”«»<>,;(){}]{6,64})"
            r"|\b(?P<typed>[^\s\"'`„“”«»<>,;(){}]{6,64})[ ](?:as|als)[ ](?:the|your|my|das|dein|mein|ihr)[ ](?:password|passphrase|passwort|kennwort)\b"
        ),
    ),
    _Form(
        ("set it to", "changed it to", "setze es auf", "geändert auf"),
        re.compile(
            r"(?i)\b(?:(?:re)?set|changed)[ ]it[ ]to[ ](?P<value>(?=\S*(?-i:[a-z]))(?=\S*(?-i:[A-Z]))(?=\S*\d)(?=\S*[!#$%&*+?@^~])[^\s\"'`„“”«»<>,;(){}]{8,64})(?=[^\n]{0,120}\b(?:password|log[ -]?in)\b)"
        ),
    ),
    # doors and boxes
    _Form(
        _DOORS,
        re.compile(
            r"(?i)\b(?:zugangs|tür|tor|haustür|alarm|schlüsselbox|safe|tresor|lockbox|door|gate|entry|key[ ]?box)[- ]?(?:code|pin)(?:[ ](?:für[ ]|for[ ])?[^\W\d_]{2,20}){0,2}[ ]?(?::|=|ist|lautet|is)?[ ](?P<value>#?\d{4,8}#?)(?![\w-]|[.,]\d)"
        ),
        certain=True,
    ),
    _Form(
        ("pin für", "code für", "pin for", "code for", "pin to", "code to", "kombination", "combination"),
        re.compile(
            r"(?i)\b(?:pin|code)[ ](?:für|for|to)[ ](?:(?:die|das|den|der|unsere?n?|the|our|my)[ ])?(?:[^\W\d_]{1,16}[ -]?)?(?:tür|tor|alarm|safe|tresor|garage|schließfach|spind|schlüsselbox|lockbox|door|gate|alarm|locker)[^\W\d_]{0,10}[ ]?(?::|=|ist|lautet|is)[ ](?P<pin>#?\d{4,8}#?)(?![\w-]|[.,]\d)"
            r"|\b(?:safe|tresor|locker|spind|schloss|lock)(?:['’]?s)?[ -]?(?:zahlen)?(?:combination|kombination)[ ]?(?::|=|ist|lautet|is)[ ](?P<dial>\d{1,2}(?:[ -]\d{1,2}){2,3}|\d{4,8})(?![\w-]|[.,]\d)"
            r"|\b(?:zahlen)?(?:combination|kombination)[ ](?:to|for|of|für|zum|vom|des)[ ](?:(?:die|das|den|der|the|our|my)[ ])?(?:safe|tresor|locker|spind|schloss|lock)(?:e?s)?[ ]?(?::|=|ist|lautet|is)[ ](?P<turns>\d{1,2}(?:[ -]\d{1,2}){2,3}|\d{4,8})(?![\w-]|[.,]\d)"
        ),
        certain=True,
    ),
    # a code that is sent once
    _Form(
        ("code", "tan ", "tan:"),
        re.compile(
            r"(?i)\b(?:one[- ]time|verification|security|login|log-in|sign-in|access|einmal|bestätigungs|sicherheits|verifizierungs|anmelde)[ -]?(?:pass)?codes?[ ]?(?::|ist|lautet|is)[ ](?P<code>\d{4,8})(?![\w-]|[.,]\d)"
            r"|\b(?:m-?|sms-?|push-?)?TAN[ ]?(?::|ist|lautet|is)[ ](?P<tan>\d{6})(?![\w-]|[.,]\d)"
        ),
        certain=True,
    ),
    # several words in quotes
    _Form(
        ("passphrase",),
        re.compile(r"(?i)\bpassphrase[ ]?(?::|is|ist|lautet)[ ]?[\"'„“«](?P<value>[^\"'“”«»\n]{6,64})[\"'“”»]"),
        certain=True,
    ),
    # a network and its password
    _Form(
        ("wifi", "wi-fi", "wlan"),
        re.compile(r"(?i)\b(?:wi-?fi|wlan)[ ]?:?[ ][\w-]{2,32}[ ]?/[ ]?(?P<value>[^\s\"'`<>,;/]{6,64})"),
    ),
    # a name and a password of letters, each behind its word
    _Form(
        ("passw", "kennwort"),
        re.compile(
            r"(?i)\b(?:benutzer(?:name)?|nutzer(?:name)?|anmeldename|kennung)[ ]?:[ ]?[\w.@+-]{2,60}(?:[ ]?[,;/|]|[ ]und)?\s{1,3}(?:passwor[dt]|kennwort)[ ]?:[ ]?(?P<value>[^\W\d_]{6,40})(?=[.,;]?(?:\s|\Z))"
        ),
        certain=True,
    ),
    # on the line below
    _Form(
        _WORDS,
        re.compile(
            r"(?im)^[ \t>*-]*(?:passwor[dt]|kennwort|passphrase|passcode)[ \t*:]*\n[ \t]*(?P<value>[^\s\"'`„“”«»<>,;(){}]{6,64})[ \t]*$"
        ),
    ),
    # name / password
    _Form(
        ("zugang", "login", "credentials", "anmeldung"),
        re.compile(
            r"(?i)\b(?:zugangsdaten|logins?|credentials|zugang|anmeldung)(?:[ ]?[:=]|[ ](?:ist|lautet|sind|is|are)(?=[ ]))[ ]?[\w.@+-]{2,60}[ ]?/[ ]?(?P<value>[^\s\"'`<>,;/]{6,64})"
        ),
    ),
    _Form(("mysql",), re.compile(r"\bmysql(?:dump|admin)?\b[^\n]{0,80}?[ ]-p[\"']?(?P<value>[^\s\"']{6,64})")),
    _Form(("sshpass",), re.compile(r"\bsshpass[ ]+-p[ ]?[\"']?(?P<value>[^\s\"']{6,64})")),
    _Form(
        ("cookie:",),
        re.compile(
            r"(?i)\bcookie:[^\n]{0,200}?\b(?:\w*sess(?:ion)?_?-?(?:id)?|sid|auth\w*|token)=(?P<value>[\w%.~+/-]{16,512})"
        ),
    ),
    # Docker's config.json
    _Form(('"auth"',), re.compile(r"\"auth\"[ ]?:[ ]?\"(?P<value>[A-Za-z0-9+/]{16,400}={0,2})\"")),
    # Twilio's account and its token
    _Form(("twilio", "client("), re.compile(r"\bAC[0-9a-f]{32}[\"', :]{1,6}(?P<value>[0-9a-f]{32})\b")),
)


def handed_over(text: str, lower: str) -> Iterator[tuple[int, int, bool]]:
    """Start and end of what may be a credential, and whether nothing else can stand there.

    Args:
        lower: the text in lower case.
    """
    for form in _FORMS:
        if any(cue in lower for cue in form.cues):
            for match in form.pattern.finditer(text):
                start, end = match.span(match.lastgroup or 0)
                yield start, start + len(text[start:end].rstrip(".")), form.certain
