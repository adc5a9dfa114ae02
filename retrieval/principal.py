"""Who is asking: the principal that row-level security decides for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from retrieval.errors import InvalidPrincipalError

if TYPE_CHECKING:
    from retrieval.token import TokenVerifier

Clearance = Literal["public", "internal", "confidential", "restricted"]
CLEARANCES: tuple[str, ...] = get_args(Clearance)
"""Clearances from the lowest to the highest."""

EVERYONE = "everyone"
"""The role that every principal of a tenant has."""

TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ROLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller of one tenant, with roles and a clearance.

    Args:
        user: stable name of the caller; only a keyed hash of it is ever stored.
        tenant: whose knowledge is asked for.
        roles: roles the caller has; `everyone` is always among them.
        clearance: highest clearance the caller may read.

    Raises:
        InvalidPrincipalError: a part is missing, empty or of the wrong shape. An incomplete principal never
            means "everything".
    """

    user: str
    tenant: str
    roles: Iterable[str] = field(default=frozenset())
    clearance: Clearance = "public"

    def __post_init__(self) -> None:
        # NUL sets the parts of a pseudonym apart
        if not isinstance(self.user, str) or not self.user.strip() or "\0" in self.user or not well_formed(self.user):
            raise InvalidPrincipalError("Principal.user is empty or no text: name the caller")
        if not isinstance(self.tenant, str) or not TENANT.fullmatch(self.tenant):
            raise InvalidPrincipalError(
                "Principal.tenant is missing or malformed: use lower-case letters, digits, '-' and '_'"
            )
        if isinstance(self.roles, str) or not isinstance(self.roles, Iterable):
            raise InvalidPrincipalError("Principal.roles must be a set of role names, not one string")
        roles = list(self.roles)
        if not all(isinstance(role, str) and ROLE.fullmatch(role) for role in roles):
            raise InvalidPrincipalError("Principal.roles contains an invalid role name")
        if self.clearance not in CLEARANCES:
            raise InvalidPrincipalError(f"Principal.clearance must be one of {', '.join(CLEARANCES)}")
        object.__setattr__(self, "roles", frozenset(roles) | {EVERYONE})

    @classmethod
    def from_jwt(cls, token: str, verifier: TokenVerifier) -> Principal:
        """The principal that a signed token proves; see `TokenVerifier`.

        Raises:
            InvalidTokenError: it proves nobody.
        """
        return verifier.principal(token)


def well_formed(text: str) -> bool:
    """Whether a text can be sent as UTF-8, which half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
