"""What the audit log holds of a request: pseudonyms of who asked and of what, and what the caller adds.

Who asked stays the same person, and the same question the same question, but neither can be read or looked up
without the key.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from retrieval.errors import ConfigurationError, InvalidRequestError
from retrieval.principal import Principal, well_formed

KEY_BYTES = 32

LABELS_MAX = 16
"""Most versions, or correlation ids, that a caller may pass with a request."""
LABEL_VALUE_MAX = 200
"""Longest value of one, in characters."""
LABEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

QUERY_DIGITS, TERM_DIGITS = 32, 12
"""Hex digits of the keyed hash of a whole question, and of one of its terms: of terms there are few, and shorter
hashes tell less about each."""

LOGGED = """
    insert into knowledge.audit
        (request_id, tenant, principal, query, release, model, k, filters, hits, scores, timings, degraded, reasons,
         versions, correlation)
    select %(request_id)s, current_setting('knowledge.tenant')::int, %(principal)s, %(query_pseudonym)s,
           current_setting('knowledge.release')::int, %(model)s, %(k)s, %(filters)s,
           coalesce(array_agg(chunk_id order by score desc, chunk), '{}'),
           coalesce(array_agg(score::real order by score desc, chunk), '{}'), %(timings)s, %(degraded)s,
           %(reasons)s, %(versions)s, %(correlation)s
    from hit
"""
"""Writes the row of a search from its hits, as a part of the statement that returns them."""


def load_key(path: Path) -> bytes:
    """The key in that file, made on first use with mode 600.

    Raises:
        ConfigurationError: the file cannot be made, is too short, or others may read it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        if not path.exists():
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            try:
                os.link(fresh, path)  # never replaces a key that another process made meanwhile
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"The key file {path} can be read by others: run `chmod 600 {path}`")
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be used: {error.strerror}") from None
    if len(key) < KEY_BYTES:
        raise ConfigurationError(f"The key file {path} is shorter than {KEY_BYTES} bytes: restore it from a backup")
    return key


def pseudonym(principal: Principal, key: bytes) -> str:
    """Keyed hash of tenant and user, 32 hex digits."""
    return _keyed(key, 32, principal.tenant, principal.user)


def query_pseudonym(query: str, words: Iterable[tuple[str, ...]], tenant: str, key: bytes) -> dict[str, object]:
    """What the log holds of a question in the place of its words.

    The same question, but for case and spaces, has the same `hash`, so questions can be counted, and those that
    stay unanswered found. `terms` are keyed hashes of the words as the index has them, sorted, so that whoever holds
    the key can ask which questions were about a given word, and nobody can read one. Hashes of two tenants differ.

    Args:
        words: the question's words, each with its alternative terms, as `analysis.query_terms` gives them.
    """
    normalised = " ".join(unicodedata.normalize("NFKC", query).casefold().split())
    terms = {term for alternatives in words for term in alternatives}
    return {
        "hash": _keyed(key, QUERY_DIGITS, "query", tenant, normalised),
        "terms": sorted(term_pseudonym(term, tenant, key) for term in terms),
        "characters": len(query),
    }


def term_pseudonym(term: str, tenant: str, key: bytes) -> str:
    """Keyed hash of one term as the index has it, 12 hex digits."""
    return _keyed(key, TERM_DIGITS, "term", tenant, term)


def labels(name: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """Versions or correlation ids of a caller, checked: they are stored as they are, and so must be short names.

    Raises:
        InvalidRequestError: too many of them, or one is no short text.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > LABELS_MAX:
        raise InvalidRequestError(f"{name} must be a mapping of at most {LABELS_MAX} names to short texts")
    for key, value in given.items():
        if not isinstance(key, str) or not LABEL_NAME.fullmatch(key):
            raise InvalidRequestError(f"{name} has an invalid name: use at most 64 letters, digits, . _ -")
        if not isinstance(value, str) or len(value) > LABEL_VALUE_MAX or not value.isprintable():
            raise InvalidRequestError(
                f"{name}[{key!r}] must be a printable text of at most {LABEL_VALUE_MAX} characters"
            )
        if not well_formed(value):
            raise InvalidRequestError(f"{name}[{key!r}] holds half a surrogate pair: send well-formed Unicode")
    return dict(sorted(given.items()))


def _keyed(key: bytes, digits: int, *parts: str) -> str:
    return hmac.digest(key, "\0".join(parts).encode(), "sha256").hex()[:digits]
