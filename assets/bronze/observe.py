"""Observes the files of the inbox: reads those that are new, and decides which policy covers each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from assets.bronze.cache import ERASED_BYTES, Fingerprint, HashCache
from assets.bronze.changes import NO_BYTES_SHA256, Access, Held, Observation, Observed
from assets.bronze.files import media_type, opened
from assets.bronze.policy import (
    FRONT_MATTER_TYPES,
    HEAD_BYTES,
    OwnAccess,
    Policies,
    Policy,
    PolicyProblem,
    own_access,
)
from assets.bronze.scan import UNOPENED, Found, inbox_root
from assets.errors import InboxUnavailableError
from assets.silver.limits import sized

MAX_FILE_BYTES = 100_000_000
"""Default for the largest file that is loaded."""

READ_BYTES = 2**20
NANOSECONDS = 1_000_000_000


class UnsettledError(Exception):
    """The file is not what it was a moment ago."""


def observe(
    inbox: Path,
    found: Sequence[Found],
    *,
    cache: HashCache,
    now_ns: int,
    settle_s: float = 0.0,
    max_bytes: int = MAX_FILE_BYTES,
    is_erased: Callable[[str], bool] = lambda sha256: False,
) -> Observation:
    """Reads what is new among the files found, and decides which policy covers each.

    Args:
        inbox: the watched folder.
        found: what `scan` gave, all of it or that of some sources.
        cache: fingerprints of earlier observations; those of this one are added.
        now_ns: time before the scan, nanoseconds since 1970.
        settle_s: files, and policies, that changed within so many seconds are left for the next time.
        max_bytes: larger files are not loaded.
        is_erased: tells by their SHA-256 whether bytes were erased, and must not come back.

    Raises:
        ConfigurationError: the inbox is gone.
        InboxUnavailableError: its storage did not answer.
    """
    observer = _Observer(inbox_root(inbox), cache, now_ns, settle_s, max_bytes, is_erased)
    results = [observer.observe(item) for item in found]
    cache.forget_others(found)
    return Observation(
        files=tuple(result for result in results if isinstance(result, Observed)),
        held=tuple(result for result in results if isinstance(result, Held)),
        read=observer.read,
    )


class _Observer:
    """Observes one file after another, as of one moment."""

    def __init__(
        self,
        root: Path,
        cache: HashCache,
        now_ns: int,
        settle_s: float,
        max_bytes: int,
        is_erased: Callable[[str], bool],
    ) -> None:
        self._root = root
        self._policies = Policies(root)
        self._cache = cache
        self._now_ns = now_ns
        self._settle_ns = int(settle_s * NANOSECONDS)
        self._max_bytes = max_bytes
        self._is_erased = is_erased
        self.read = 0

    def observe(self, found: Found) -> Observed | Held:
        if found.problem == "unreadable":
            return Held(found.path, "unreadable")
        if found.problem in UNOPENED:
            return _observed(found, NO_BYTES_SHA256, Access(error=found.problem, detail=found.detail), loaded=False)
        if self._is_recent(found.mtime_ns, found.ctime_ns, self._policies.changed_ns(found.file)):
            return Held(found.path, "unsettled")
        try:
            return self._opened(found)
        except PermissionError:
            return Held(found.path, "unreadable")
        except (UnsettledError, FileNotFoundError):
            # some programs save by deleting and writing anew; if it is really gone, the next scan says so
            return Held(found.path, "unsettled")
        except OSError as error:
            raise InboxUnavailableError(
                f"{found.path} in the inbox cannot be read ({error.strerror}); it is tried again"
            ) from error

    def _is_recent(self, *changed_ns: int) -> bool:
        # a time in the future is a wrong clock, and waiting for it would be waiting for ever
        return any(abs(self._now_ns - time) < self._settle_ns for time in changed_ns)

    def _opened(self, found: Found) -> Observed:
        if found.size > self._max_bytes:
            access = _too_large(self._access(found, OwnAccess()), self._max_bytes)
            return _observed(found, NO_BYTES_SHA256, access, loaded=False)
        fingerprint = self._fingerprint(found)
        if fingerprint.sha256 == ERASED_BYTES:
            return _observed(found, NO_BYTES_SHA256, Access(error="erased"), loaded=False)
        return _observed(found, fingerprint.sha256, self._access(found, fingerprint.own), loaded=True)

    def _access(self, found: Found, own: OwnAccess) -> Access:
        if found.problem is not None:
            return Access(error=found.problem, detail=found.detail)
        policy = self._policies.resolve(found.file, own)
        if isinstance(policy, PolicyProblem):
            return Access(error=policy.code, detail=policy.detail)
        return _access_of(policy)

    def _fingerprint(self, found: Found) -> Fingerprint:
        known = self._cache.get(found)
        if known is not None and not self._is_erased(known.sha256):
            return known
        if known is None:
            self.read += 1
        fingerprint = known or _read_fingerprint(self._root, found)
        if self._is_erased(fingerprint.sha256):
            fingerprint = Fingerprint(ERASED_BYTES, OwnAccess())
        self._cache.put(found, fingerprint, read_at_ns=self._now_ns)
        return fingerprint


def _access_of(policy: Policy) -> Access:
    return Access(
        policy.tenant,
        policy.roles,
        policy.clearance,
        policy.ttl_days,
        policy.refresh,
        policy.defaults_json,
        policy.rules_json,
    )


def _observed(found: Found, sha256: str, access: Access, *, loaded: bool) -> Observed:
    return Observed(found.path, found.file, found.source, sha256, found.size, access, loaded)


def _too_large(access: Access, max_bytes: int) -> Access:
    if access.error is not None:
        return access
    return replace(access, error="too_large", detail=f"larger than the limit of {sized(max_bytes)}")


def _read_fingerprint(root: Path, found: Found) -> Fingerprint:
    digest = hashlib.sha256()
    with opened(root, found.file) as stream:
        require_same(found, stream.fileno())
        head = stream.read(HEAD_BYTES)
        digest.update(head)
        while part := stream.read(READ_BYTES):
            digest.update(part)
        require_same(found, stream.fileno())
    may_have_own = media_type(found.path) in FRONT_MATTER_TYPES
    own = own_access(head, found.path, whole=found.size <= HEAD_BYTES) if may_have_own else OwnAccess()
    return Fingerprint(digest.hexdigest(), own)


def require_same(found: Found, descriptor: int) -> None:
    """Raises `UnsettledError` unless the open file is still as it was found."""
    now = os.fstat(descriptor)
    if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (found.size, found.mtime_ns, found.ctime_ns):
        raise UnsettledError
