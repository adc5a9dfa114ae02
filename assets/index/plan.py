"""Reconciliation: the difference between what the index should hold and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from assets.index.desired import Access, DesiredDocument


@dataclass(frozen=True, slots=True)
class ActualDocument:
    """A document as the newest release in the database shows it, or as the last one did that had it.

    Attributes:
        number: its number within the tenant.
        digest: of its row; None where it has no open row, because it was withdrawn or the row is lost.
        chunks: chunk id → (chunk number, digest).
        doubled: numbers of rows that repeat a chunk id, which must not be.
        strays: whether some passages differ from the document in access or expiry.
    """

    document_id: str
    number: int
    tenant: str
    digest: str | None
    access: Access
    expires_at: datetime | None
    chunks: Mapping[str, tuple[int, str]]
    doubled: tuple[int, ...] = ()
    strays: bool = False


@dataclass
class Changes:
    """What publishing has to do.

    Attributes:
        close_documents: (tenant, number) whose row ends.
        open_documents: documents that get a new row.
        remove: (tenant, chunk number) to end.
        add: (document_id, chunk_id) to add, in the order of documents and passages.
        reaccess: documents whose access set or expiry changed: it moves in every release.
        evict: (tenant, document id) that left their tenant: they go from every release of it at once.
        hide: (tenant, document id) that no release may show any more.
    """

    close_documents: list[tuple[str, int]] = field(default_factory=list)
    open_documents: list[str] = field(default_factory=list)
    remove: list[tuple[str, int]] = field(default_factory=list)
    add: list[tuple[str, str]] = field(default_factory=list)
    reaccess: list[str] = field(default_factory=list)
    evict: list[tuple[str, str]] = field(default_factory=list)
    hide: list[tuple[str, str]] = field(default_factory=list)

    @property
    def contents(self) -> bool:
        """Whether what is told changes, and so a new release is due."""
        return bool(self.close_documents or self.open_documents or self.remove or self.add)

    def __bool__(self) -> bool:
        return self.contents or bool(self.reaccess or self.evict or self.hide)

    def summary(self) -> dict[str, int]:
        """Counts for people."""
        return {
            "documents_new_or_changed": len(self.open_documents),
            "documents_withdrawn": max(0, len(self.close_documents) - len(self.open_documents)),
            "passages_added": len(self.add),
            "passages_removed": len(self.remove),
            "access_changed": len(self.reaccess) + len(self.evict) + len(self.hide),
        }


def plan_release(
    desired: Mapping[str, DesiredDocument],
    actual: Mapping[tuple[str, str], ActualDocument],
    hidden: Mapping[str, datetime] = MappingProxyType({}),
) -> Changes:
    """The changes that turn `actual`, keyed by (tenant, document id), into `desired`.

    A passage whose id and facts are unchanged keeps its row; one whose place moved is ended and added anew, with
    the vector it has. A lost row is added, a doubled one removed. Documents in `hidden` expire in every release at
    the moment given there.
    """
    changes = Changes()
    for key, there in sorted(actual.items()):
        wanted = desired.get(there.document_id)
        if wanted is None or wanted.access.tenant != there.tenant:
            if wanted is not None:
                changes.evict.append(key)
            elif there.digest is not None:
                changes.close_documents.append((there.tenant, there.number))
            if wanted is None:
                changes.remove += [(there.tenant, n) for n, _ in there.chunks.values()]
                changes.remove += [(there.tenant, n) for n in there.doubled]
                if there.document_id in hidden and there.expires_at != hidden[there.document_id]:
                    changes.hide.append(key)
    for document_id, wanted in desired.items():
        found = actual.get((wanted.access.tenant, document_id))
        if found is None:
            changes.open_documents.append(document_id)
            changes.add += [(document_id, chunk) for chunk in wanted.chunks]
            continue
        tenant = found.tenant
        if found.digest != wanted.digest:
            if found.digest is not None:
                changes.close_documents.append((tenant, found.number))
            changes.open_documents.append(document_id)
        kept = {chunk for chunk, (_, digest) in found.chunks.items() if wanted.chunks.get(chunk) == digest}
        changes.remove += [(tenant, n) for chunk, (n, _) in found.chunks.items() if chunk not in kept]
        changes.remove += [(tenant, n) for n in found.doubled]
        changes.add += [(document_id, chunk) for chunk in wanted.chunks if chunk not in kept]
        if found.strays or found.access != wanted.access or found.expires_at != wanted.expires_at:
            changes.reaccess.append(document_id)
    changes.remove.sort()
    return changes
