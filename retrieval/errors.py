"""Errors of the library, as a tree with two branches that matter.

    KnowledgeError
    ├── PermanentError            asking again will not help
    │   ├── InvalidRequestError       the call itself is wrong (also a ValueError)
    │   │   ├── InvalidPrincipalError
    │   │   │   └── InvalidTokenError     a token that proves nobody
    │   │   └── InvalidQueryError
    │   ├── UnknownTenantError        nothing was ever published for that tenant
    │   ├── ConfigurationError        a setting, a path or a permission is wrong
    │   ├── ModelError                the model on disk is not the one that was promised
    │   │   └── ModelMismatchError    the index was built with another model
    │   ├── SchemaError               the database is of another version, or not set up
    │   ├── NoReleaseError            nothing is published yet, or that release is not kept
    │   └── UnsafeRoleError           the database role could step around row-level security
    └── TransientError            asking again later may help
        ├── UnavailableError          the database did not answer in time
        └── OverloadedError           more is asked than this process takes on

Messages say what happened, to which setting or file, and what to do. They never hold a query, a passage or a
secret.
"""


class KnowledgeError(Exception):
    """Everything this library raises on purpose."""


class PermanentError(KnowledgeError):
    """Asking again will not help: somebody has to change something."""


class TransientError(KnowledgeError):
    """Asking again later may help."""


class InvalidRequestError(PermanentError, ValueError):
    """The call itself is wrong."""


class InvalidPrincipalError(InvalidRequestError):
    """The principal is missing, incomplete or malformed."""


class InvalidTokenError(InvalidPrincipalError):
    """The token is malformed, expired, forged, meant for somebody else, or lacks a claim that is needed."""


class InvalidQueryError(InvalidRequestError):
    """The query, k or a filter is out of bounds."""


class UnknownTenantError(PermanentError):
    """Nothing was ever published for that tenant."""


class ConfigurationError(PermanentError):
    """A setting, a path or a permission is wrong."""


class ModelError(PermanentError):
    """The embedding model cannot be had, or is not the one that was promised."""


class ModelMismatchError(ModelError):
    """The index was built with another embedding model than the one configured."""


class SchemaError(PermanentError):
    """The database is not set up, or of another version than this library."""


class NoReleaseError(PermanentError):
    """Nothing is published yet, or the release asked for is not kept."""


class UnsafeRoleError(PermanentError):
    """The database role could step around row-level security."""


class UnavailableError(TransientError):
    """The database cannot be reached, or did not answer in time."""


class OverloadedError(TransientError):
    """More is asked at once, or by one principal, than this process takes on.

    Attributes:
        retry_after_s: seconds after which it is worth trying again; None where that is not known.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
