"""Finds credentials: keys and tokens by the marks of their issuers, private keys, and passwords beside that word.

The issuers' marks are matched here, anchored, because that costs next to nothing. A text that holds any other long
word of letters and figures is also read by kingfisher (MongoDB, Apache 2.0), whose rules take seconds to load.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assets.silver.pii.lower import lowered
from assets.silver.pii.secret_written import handed_over
from assets.silver.pii.span import SECRET, Span

if TYPE_CHECKING:
    from kingfisher_sdk import Scanner

_ISSUED = {
    "AKIA": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    "ASIA": r"ASIA[A-Z2-7]{16}",
    "gh": r"gh[pousr]_[A-Za-z0-9]{36,251}",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{40,255}",
    "gl": r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_.-]{20,80}",
    "xox": r"xox[abeoprs]-(?:\d-)?[A-Za-z0-9-]{10,255}",
    "xapp-": r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{32,}",
    "hooks.slack.com": r"(?:https?://)?hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,}",
    "_live_": r"(?:sk|rk|pk|whsec)_live_[A-Za-z0-9]{16,128}",
    "_test_": r"(?:sk|rk)_test_[A-Za-z0-9]{16,128}",
    "whsec_": r"whsec_[A-Za-z0-9+/=]{24,80}",
    "AIza": r"AIza[A-Za-z0-9_-]{35}",
    "GOCSPX": r"GOCSPX-[A-Za-z0-9_-]{20,40}",
    "ya29": r"ya29\.[A-Za-z0-9_-]{20,400}",
    "sk-": r"sk-(?:proj-|svcacct-|admin-|ant-(?:api|admin)?\d{0,2}-?|or-v1-|lf-)?[A-Za-z0-9_-]{20,200}",
    "hf_": r"hf_[A-Za-z0-9]{30,60}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-[A-Za-z0-9_-]{50,250}",
    "SG.": r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",
    "SK": r"SK[0-9a-f]{32}",
    "key-": r"key-[0-9a-f]{32}",
    "eyJ": r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ":AA": r"\d{8,10}:AA[A-Za-z0-9_-]{32,34}",
    "dop_v1_": r"do[opr]_v1_[a-f0-9]{64}",
    "doo_v1_": r"do[opr]_v1_[a-f0-9]{64}",
    "shp": r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "sq0": r"sq0[a-z]{3}-[A-Za-z0-9_-]{22,43}",
    "EAAA": r"EAAA[A-Za-z0-9_-]{50,64}",
    "EAA": r"EAA[A-Z][A-Za-z0-9]{60,300}",
    ":APA91b": r"[A-Za-z0-9_-]{11}:APA91b[A-Za-z0-9_-]{100,200}",
    "dapi": r"dapi[a-f0-9]{32}(?:-\d)?",
    "lin_": r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}",
    "ntn_": r"ntn_[A-Za-z0-9]{40,60}",
    "secret_": r"secret_[A-Za-z0-9]{43}",
    "figd_": r"figd_[A-Za-z0-9_-]{40,}",
    "PMAK-": r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    "sl.": r"sl\.(?:u\.)?[A-Za-z0-9_-]{100,1200}",
    "dp.": r"dp\.(?:pt|st|ct|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
    "hv": r"hv[sbr]\.[A-Za-z0-9_-]{24,300}",
    ".atlasv1.": r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}",
    "glsa_": r"glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}",
    "glc_": r"glc_[A-Za-z0-9+/=]{32,400}",
    "NRAK-": r"NRAK-[A-Z0-9]{27}",
    "NRII-": r"NRII-[A-Za-z0-9-]{32}",
    "dckr_": r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,64}",
    "HRKU-": r"HRKU-[A-Za-z0-9_-]{30,70}",
    "AGE-SECRET": r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    "AccountKey": r"(?<=AccountKey=)[A-Za-z0-9+/]{86}==",
    "SharedAccess": r"(?<=SharedAccessKey=)[A-Za-z0-9+/]{42,44}=?",
    "8Q~": r"[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{31,34}",
    "rubygems_": r"rubygems_[a-f0-9]{48}",
    "sntry": r"sntry[su]_[A-Za-z0-9+/=_-]{40,300}",
    "pul-": r"pul-[a-f0-9]{40}",
    "tfp_": r"tfp_[A-Za-z0-9]{40,60}",
    "CFPAT-": r"CFPAT-[A-Za-z0-9_-]{43}",
    "PK": r"pplx-[A-Za-z0-9]{40,60}",
    "gsk_": r"gsk_[A-Za-z0-9]{40,60}",
    "r8_": r"r8_[A-Za-z0-9]{37}",
    "fo1_": r"fo1_[A-Za-z0-9_-]{43}",
    "FlyV1": r"FlyV1 fm\d[A-Za-z]?_[A-Za-z0-9+/=,_-]{50,800}",
    "tskey-": r"tskey-[a-z]+-[A-Za-z0-9]{10,}-[A-Za-z0-9]{20,}",
    "vc": r"vc[apkri]?_[A-Za-z0-9]{40,60}",
    "pscale_": r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.-]{32,64}",
    "ATATT": r"AT[A-Z]TT3[A-Za-z0-9_=-]{40,300}",
    "sbp_": r"sbp_(?:v\d_)?[a-f0-9]{40}",
    "pat": r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}",
    "xkeysib-": r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",
    "AC": r"AC[0-9a-f]{32}:[0-9a-f]{32}",
    "pat-": r"pat-(?:na|eu)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "AKCp": r"AKCp[A-Za-z0-9]{60,80}",
    "-us": r"[0-9a-f]{32}-us\d{1,2}",
    "DefaultEndpointsProtocol": r"DefaultEndpointsProtocol=https?;[^\s\"']*AccountKey=[A-Za-z0-9+/=]{40,}",
    "discord": r"(?:https?://)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,80}",
    "webhook.office.com": r"(?:https?://)?[a-z0-9-]+\.webhook\.office\.com/webhookb2/[^\s\"'<>]{60,}",
}
"""What is in every credential of an issuer, and its form. Sources: the issuers' own documentation of their formats."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]{0,12000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\]{0,12000})"
)
_BESIDE = r"(?<![A-Za-z0-9_+/-])"
_ISSUER_PATTERNS = [(mark, re.compile(f"{_BESIDE}(?:{form})")) for mark, form in _ISSUED.items()]
_PLACEHOLDER = re.compile(
    r"(?i)x{6,}|\*{3,}|\.{3,}|0{12,}|1234567890(?!\w{8})|your|example|beispiel|placeholder|redacted|dummy|sample"
)

_DISCORD = re.compile(r"(?<![\w/+-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}")
_DISCORD_LENGTH = 58

_IDS = re.compile(r"(?<=-)\d{10,14}(?=-)")

_LAST_WORD = (
    r"(?=[pkstcgz])(?P<word>passwords?|passwd|passwort|passcode|kennwort|passphrase|pass(?!\w)|pwd?(?!\w)|pwd|secret|tokens?|key(?:[_-]?id)?|schlüssel|credentials?|zugangscode|geheimnis"
    r"|pin|puk)"
)
_QUALIFIED = re.compile(
    r"(?:api|access|auth|secret|private|client|account|encryption|signing|master|app|storage|deploy|session|consumer|license|lizenz|webhook"
    r"|zugangs|netzwerk|wlan|wifi|wi-fi|aws|azure|gcp|google|heroku|twilio|slack|github|gitlab|datadog|mailchimp|cloudflare|okta|algolia|sentry)"
    r"[\w]{0,20}[_\s-]?\Z",
    re.IGNORECASE,
)
"""What stands before `key`, which by itself is a word like others."""

_LABELLED = re.compile(
    rf"(?i:{_LAST_WORD})[\"'`*_\]]{{0,3}}(?:[ ]?\([^)\n]{{1,20}}\))?\s?(?:[:=]|=>|:=|->|<-|\||(?i:\bist\b|\bis\b|\blautet\b|\bwar\b|\bwas\b|\b(?:changed|reset|set)[ ]to\b|\bgeändert[ ]auf\b))"
    r"[ \t]?[:=]?[ \t]?[\"'`„“*]{0,2}(?=(?P<value>[^\s\"'`„“<>,;]{4,200}))"
)
_LABEL_BEGINS = re.compile(
    "[pkstcgz](?:(?<=p)(?:ass|w|in|uk)|(?<=k)(?:ey|ennwort)|(?<=s)(?:ecret|chlüssel)|(?<=t)oken|(?<=c)redential|(?<=z)ugangscode|(?<=g)eheimnis)"
)
"""How each of these words begins, in lower case."""

_BEARERS = ("bearer ", "basic ", "token ", "apikey ")
_ANNOUNCED = re.compile(
    r"(?i)(?:\b|_|-)(?:token|secret|key|schlüssel|passwor[dt]|kennwort|credentials?)\b(?![ ]?=[ ]?[\w.]+\()"
)
_ANNOUNCED_REACH = 60
_OPEN = re.compile(
    r"(?i)\b(?:public|öffentlich\w*|ssh-\w+|fingerprint|sha\d*|hash|commit|checksum|integrity|video|id)\b"
)
_KEY_MATERIAL = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[A-Za-z0-9+/]{40,}={1,2}")
"""Base64 with its padding: it may begin with a slash, as paths do."""

_LONG_ENOUGH = 10
_JUMBLED_BITS = 3.0
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]{1,2}[a-z]")
_CONSONANTS = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{5}")
_PASSWORD_BITS = 2.2
"""Shannon entropy, bits for each character, of what stands where nothing but a password can: `aaaaaa` is none."""

_SHARED = re.compile(r"(?i)(?:shar(?:e|ing)|gift|invite|csrf|page|next|sync|continuation)[_-]?\Z")
"""Tokens that open what everybody may see."""

_BEARER = re.compile(
    r"(?i:(?<!\w)(?:bearer|basic|token|apikey)[ ]+)(?P<value>[A-Za-z0-9_~+/.-]{16,2000}={0,2})(?![\w])"
)
_CURL = re.compile(r"(?:-u|--user)[ ]+[\"']?(?P<value>[\w.@-]+:[^\s\"']{6,})")
_LABELS = (
    "pass pwd pw: kennwort secret token key schlüssel geheim credential bearer basic zugangs pin puk -u --user".split()
)
"""One of these is in every text with a credential beside a word, in lower case."""

_LONG = re.compile(r"[A-Za-z0-9_+/=.:~-]{20,}")
"""No credential with an issuer's mark is shorter."""

_OPAQUE = re.compile(r"(?<![\w/.=+%&?-])[A-Za-z0-9_+=-]{28,}(?![\w/.])")
_HARMLESS = re.compile(
    r"[0-9a-f]{24,128}|[0-9A-F]{24,128}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|sha\d+[-:=].*|[\d.,/+=_-]+|[A-Za-z0-9]+(?:[-_./+=][A-Za-z0-9]{1,11}){2,}[./=_-]*",
)
_LONGEST_OPAQUE = 512
_TAIL = 1200
"""Characters behind the beginning of a credential in which it may go on with marks of its own."""

_OPAQUE_BITS = 3.6
"""Shannon entropy, bits for each character, above which a word may be a credential that no mark names."""


class Secrets:
    """Every credential has the same token: its hash would help whoever guesses."""

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        if "-----BEGIN" in text:
            for match in _PRIVATE_KEY.finditer(text):
                yield Span(match.start(), match.end(), SECRET, "", checked=True)
        opaque = False
        words = list(_LONG.finditer(text))
        together = " ".join(long[0] for long in words)
        issuers = [issuer for issuer in _ISSUER_PATTERNS if issuer[0] in together] if words else []
        for long in words:
            yield from _issued(text, long, issuers)
            if _is_opaque(text, long):
                opaque = True
                if _announced(text, long) and (word := _OPAQUE.search(text, long.start(), long.end())):
                    yield Span(word.start(), word.end(), SECRET, "")
        lower = lowered(text)
        if any(label in lower for label in _LABELS):
            yield from _labelled(text, lower)
        for start, end, certain in handed_over(text, lower):
            value = text[start:end]
            if not _PLACEHOLDER.search(value) and (
                _bits(value) > _PASSWORD_BITS or value.strip("#").isdigit()
                if certain
                else _is_password(value, "password")
            ):
                yield Span(start, end, SECRET, "")
        if opaque:
            yield from _scanned(text)


def _issued(text: str, long: re.Match[str], issuers: list[tuple[str, re.Pattern[str]]]) -> Iterator[Span]:
    word = long[0]
    if len(word) >= _DISCORD_LENGTH and word.count(".") > 1:
        for match in _DISCORD.finditer(text, long.start(), long.end()):
            yield Span(match.start(), match.end(), SECRET, "", checked=True)
    for mark, pattern in issuers:
        if mark in word:
            for match in pattern.finditer(text, long.start(), min(len(text), long.end() + _TAIL)):
                # ids of workspaces in Slack's tokens may well begin 1234567890
                written = _IDS.sub("", match[0]) if mark == "xox" else match[0]
                if not _PLACEHOLDER.search(written[:200]) and _is_mixed(written):
                    yield Span(match.start(), match.end(), SECRET, "", checked=True)


def _is_mixed(written: str) -> bool:
    """Whether it is no run of words: credentials hold figures, or upper and lower case in disorder."""
    return any(c.isdigit() for c in written) or _bits(written) > _OPAQUE_BITS


def _labels(text: str, lower: str) -> Iterator[re.Match[str]]:
    done = 0
    for word in _LABEL_BEGINS.finditer(lower):
        match = _LABELLED.match(text, word.start()) if word.start() >= done else None
        if match is not None:
            done = match.end()
            yield match


def _labelled(text: str, lower: str) -> Iterator[Span]:
    for match in _labels(text, lower):
        before = text[max(0, match.start() - 40) : match.start()]
        word = match["word"].lower()
        if word.startswith("key") and not _QUALIFIED.search(before):
            continue
        if (word in ("pin", "puk", "pwd", "pw", "pass") and before[-1:].isalnum()) or _SHARED.search(before):
            continue
        value = match["value"].rstrip(".)?]*_|")
        if _is_password(value, word):
            yield Span(match.start("value"), match.start("value") + len(value), SECRET, "")
    for pattern, cues in ((_BEARER, _BEARERS), (_CURL, ("-u ", "--user "))):
        for match in pattern.finditer(text) if any(cue in lower for cue in cues) else ():
            if (
                (any(c.isdigit() for c in match["value"]) or _is_jumbled(match["value"].rpartition(":")[2]))
                and not _PLACEHOLDER.search(match["value"])
                and _bits(match["value"]) > 3
            ):
                yield Span(match.start("value"), match.end("value"), SECRET, "")


def _is_password(value: str, word: str) -> bool:
    """Whether what stands behind `password:` is one, and no word of the sentence, code, or stand-in."""
    if _KEY_MATERIAL.fullmatch(value) and not _PLACEHOLDER.search(value):
        return True
    if _PLACEHOLDER.search(value) or re.match(
        r"[$({\[<%&|/]|\.\w|https?:|(?:self|this|os|process|env|config|settings|args|request)\b", value
    ):
        return False
    if re.search(r"[(){}\[\]]|->|::|=>", value) and not re.search(r"\d", value):
        return False
    if word in ("pin", "puk"):
        return re.fullmatch(r"\d{4,10}", value) is not None
    classes = sum(bool(re.search(kind, value)) for kind in (r"[a-zß-ÿ]", r"[A-ZÀ-Þ]", r"\d", r"[^\w\s]"))
    digits = any(c.isdigit() for c in value)
    if re.fullmatch(r"[\d.,:/-]+", value):
        return len(value) >= 6 and word.startswith("pass") and "." not in value and "," not in value
    if "(" in value or (re.fullmatch(r"[A-Za-z_]\w*(?:\.\w+)+", value) and not digits):
        return False
    return len(value) >= 6 and (
        (len(value) >= _LONG_ENOUGH and _is_jumbled(value))
        or (digits and classes >= 2)
        or (classes >= 3 and re.search(r"[!#$%&*+?@^~]", value) is not None)
    )


def _is_jumbled(value: str) -> bool:
    """Whether letters stand in no order of words: capitals within, and consonants that nobody can say."""
    return (
        value.isalnum()
        and len(_INNER_CAPITAL.findall(value)) > 1
        and len(_CONSONANTS.findall(value)) > 0
        and _bits(value) > _JUMBLED_BITS
    )


def _is_opaque(text: str, long: re.Match[str]) -> bool:
    """Whether a word may be a credential that no mark names: long, in disorder, and no part of an address."""
    match = _OPAQUE.search(text, long.start(), long.end())
    if match is None or len(match[0]) > _LONGEST_OPAQUE or "://" in long[0]:
        return False
    word = match[0]
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return mixed and _HARMLESS.fullmatch(word) is None and _bits(word) > _OPAQUE_BITS


def _announced(text: str, long: re.Match[str]) -> bool:
    """Whether a word of credentials stands before it in its line; and it is none of what everybody may see."""
    before = text[max(0, long.start() - _ANNOUNCED_REACH) : long.start()].rpartition("\n")[2]
    word = long[0]
    return (
        _ANNOUNCED.search(before) is not None
        and _OPEN.search(before) is None
        and any(c.isupper() for c in word)
        and any(c.islower() for c in word)
        and any(c.isdigit() for c in word)
        and not _PLACEHOLDER.search(word)
    )


def _bits(word: str) -> float:
    counts = Counter(word)
    return -sum(count / len(word) * math.log2(count / len(word)) for count in counts.values())


def _scanned(text: str) -> Iterator[Span]:
    raw = text.encode("utf-8", "surrogatepass")
    for finding in _scanner().scan(raw):
        secret = finding.secret
        if not finding.visible or not secret or _PLACEHOLDER.search(secret) or not _is_mixed(secret):
            continue
        at = text.find(secret)
        while at >= 0:
            yield Span(at, at + len(secret), SECRET, "", checked=True)
            at = text.find(secret, at + len(secret))


@functools.cache
def _scanner() -> Scanner:
    from kingfisher_sdk import Rules, Scanner

    return Scanner(Rules(confidence="medium"))
