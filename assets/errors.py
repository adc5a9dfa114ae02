"""Errors of the lake and the inbox, grown onto the library's tree.

    KnowledgeError
    ├── PermanentError
    │   └── LakeError                 a table cannot be read or written, and trying again will not change that
    │       └── LakeSchemaError           rows or a stored table do not fit their contract
    └── TransientError
        ├── LakeConflictError         somebody else wrote the same rows or partition at the same time
        ├── LakeUnavailableError      the lake's storage did not answer
        ├── InboxUnavailableError     the inbox's storage did not answer
        └── ReadersUnavailableError   no process that reads files could be started

A wrong path, a missing permission and a full disk are `retrieval.errors.ConfigurationError`. Messages name
tables, columns, files and settings; they never hold the value of a row.
"""

from retrieval.errors import PermanentError, TransientError


class LakeError(PermanentError):
    """A table of the lake cannot be read or written."""


class LakeSchemaError(LakeError):
    """Rows, or a table as it is stored, do not fit the contract."""


class LakeConflictError(TransientError):
    """Another writer changed the same rows at the same time, more often than was tried again."""


class LakeUnavailableError(TransientError):
    """The storage of the lake did not answer, or files vanished while they were read."""


class ReadersUnavailableError(TransientError):
    """No process that reads files could be started: the machine has no room for one now."""


class InboxUnavailableError(TransientError):
    """The storage of the inbox did not answer."""
