"""Hybrid search over published knowledge, under Postgres row-level security.

    from retrieval import Principal, Retriever

    retriever = Retriever.connect()
    result = retriever.search("…", principal=Principal(user="ada", tenant="nordwind", roles={"sales"}))

This is the whole public interface; everything else may change.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from retrieval.errors import (
    ConfigurationError,
    InvalidPrincipalError,
    InvalidQueryError,
    InvalidRequestError,
    InvalidTokenError,
    KnowledgeError,
    ModelError,
    ModelMismatchError,
    NoReleaseError,
    OverloadedError,
    PermanentError,
    SchemaError,
    TransientError,
    UnavailableError,
    UnknownTenantError,
    UnsafeRoleError,
)
from retrieval.principal import Clearance, Principal
from retrieval.result import Citation, Filters, Hit, SearchResult
from retrieval.settings import Settings
from retrieval.shape import Shape

Overloaded = OverloadedError
Unavailable = UnavailableError
"""The same errors by the names their sentences use."""

if TYPE_CHECKING:
    from retrieval.aio import AsyncRetriever
    from retrieval.retriever import Retriever
    from retrieval.token import ClaimNames, TokenVerifier

__all__ = [
    "AsyncRetriever",
    "Citation",
    "ClaimNames",
    "Clearance",
    "ConfigurationError",
    "Filters",
    "Hit",
    "InvalidPrincipalError",
    "InvalidQueryError",
    "InvalidRequestError",
    "InvalidTokenError",
    "KnowledgeError",
    "ModelError",
    "ModelMismatchError",
    "NoReleaseError",
    "Overloaded",
    "OverloadedError",
    "PermanentError",
    "Principal",
    "Retriever",
    "SchemaError",
    "SearchResult",
    "Settings",
    "Shape",
    "TokenVerifier",
    "TransientError",
    "Unavailable",
    "UnavailableError",
    "UnknownTenantError",
    "UnsafeRoleError",
]

_LATE = {
    "AsyncRetriever": "retrieval.aio",
    "ClaimNames": "retrieval.token",
    "Retriever": "retrieval.retriever",
    "TokenVerifier": "retrieval.token",
}


def __getattr__(name: str) -> Any:
    """Import the retrievers, and with them driver and numpy, when they are first asked for; likewise tokens."""
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
