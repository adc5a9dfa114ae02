"""An index of a given size as the pipeline would publish it: tenants, access sets, texts, vectors.

Everything follows from the size, the data and one seed. What is published goes through `assets.index.publish`, as
gold does; only the lake in front of it is left out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assets.index.desired import Access, Desired, DesiredDocument, Passages
from benchmarks.retrieval.texts import Question, Source, passages
from retrieval import Principal

Floats = NDArray[np.float32]
DIMENSION = 384
PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
PER_DOCUMENT = 8
"""Passages of a document on average."""
PER_CLUSTER = 100
"""Vectors of a cluster on average."""
SPREAD = 0.7
"""Length of the random part of a clustered vector, its centre having length one."""
_PER_DIMENSION = np.float32(SPREAD / DIMENSION**0.5)
SETS_MAX = 120
"""Most access sets of one tenant."""
SHARES = {"thousandth": 0.001, "hundredth": 0.01, "tenth": 0.1}
"""Roles of the largest tenant that see this share of it, each with those before it."""
TEAMS = tuple("archive audit design finance legal people press research sales service support works".split())
CLEARANCES = ("public", "internal", "confidential", "restricted")


@dataclass(frozen=True)
class Plan:
    """How an index is made.

    Attributes:
        chunks: passages in all.
        tenants: number of tenants, the first one the largest.
        largest: share of the first tenant; the others shrink like 1/n.
        expiring: share of documents with a time to live that has not run out.
        topical: whether access sets follow the topics (whole clusters) instead of being drawn for each document.
    """

    name: str
    chunks: int
    tenants: int = 20
    largest: float = 0.33
    expiring: float = 0.05
    topical: bool = False
    seed: int = 1

    def sizes(self) -> list[int]:
        """Passages by tenant, largest first."""
        if self.tenants == 1:
            return [self.chunks]
        rest = np.array([1 / n for n in range(1, self.tenants)])
        small = (self.chunks * (1 - self.largest) * rest / rest.sum()).astype(int)
        return [self.chunks - int(small.sum()), *small.tolist()]


@dataclass
class Tenant:
    """A tenant's documents: for each its access set, cluster and passages (rows of the whole)."""

    name: str
    sets: list[Access]
    first: int
    chunks: int


@dataclass
class World:
    """What is in the index.

    Attributes:
        texts, languages, acl, vectors: by row; rows of a tenant are neighbours.
    """

    plan: Plan
    tenants: list[Tenant] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    documents: list[int] = field(default_factory=list)
    access: list[Access] = field(default_factory=list)
    expires: list[datetime | None] = field(default_factory=list)
    vectors: Floats = field(default_factory=lambda: np.zeros((0, DIMENSION), np.float32))
    centres: Floats = field(default_factory=lambda: np.zeros((0, DIMENSION), np.float32))
    versions: dict[int, int] = field(default_factory=dict)

    def everything(self, number: int = 0) -> Principal:
        """Someone who sees all of a tenant."""
        tenant = self.tenants[number]
        roles = {role for access in tenant.sets for role in access.roles}
        return Principal(user="bench", tenant=tenant.name, roles=roles, clearance="restricted")

    def share(self, name: Literal["thousandth", "hundredth", "tenth"]) -> Principal:
        """Someone who sees that share of the largest tenant."""
        roles = list(SHARES)[: list(SHARES).index(name) + 1]
        return Principal(user="bench", tenant=self.tenants[0].name, roles=roles, clearance="restricted")

    def of_size(self, chunks: int, number: int = 0) -> Principal:
        """Someone who sees about that many passages of a tenant: its whole, less some access sets."""
        tenant = self.tenants[number]
        roles = {role for access in tenant.sets for role in access.roles}
        part = self.access[tenant.first : tenant.first + tenant.chunks]
        counts = Counter(part)
        for role in sorted(roles):
            seen = sum(n for access, n in counts.items() if set(access.roles) & (roles - {role}))
            if seen >= chunks:
                roles = roles - {role}
        return Principal(user="bench", tenant=tenant.name, roles=roles, clearance="restricted")

    def random_principal(self, draw: random.Random) -> Principal:
        """Anybody: tenants by their size, some teams, any clearance."""
        tenant = draw.choices(self.tenants, weights=[t.chunks for t in self.tenants])[0]
        roles = draw.sample(TEAMS, draw.randint(0, 4)) + draw.sample(list(SHARES), draw.randint(0, 1))
        return Principal(user="bench", tenant=tenant.name, roles=roles, clearance=draw.choice(CLEARANCES))  # type: ignore[arg-type]

    def sets_of(self, principal: Principal) -> list[Access]:
        """Access sets that let a principal in."""
        return [
            access
            for tenant in self.tenants
            for access in tenant.sets
            if tenant.name == principal.tenant
            and set(access.roles) & set(principal.roles)
            and CLEARANCES.index(access.clearance) <= CLEARANCES.index(principal.clearance)
        ]

    def visible(self, principal: Principal, now: datetime) -> NDArray[np.int64]:
        """Rows that principal may see, by the rule in plain Python."""
        tenant = next(t for t in self.tenants if t.name == principal.tenant)
        allowed = set(self.sets_of(principal))
        rows = range(tenant.first, tenant.first + tenant.chunks)
        expires = self.expires
        return np.array(
            [r for r in rows if self.access[r] in allowed and ((e := expires[r]) is None or e > now)], np.int64
        )


def build(plan: Plan, found: list[Source], *, embeddings: bool = True) -> World:
    """Draw the whole."""
    draw, noise = random.Random(plan.seed), np.random.default_rng(plan.seed)
    world = World(plan)
    streams = {language: _distinct(passages(found, language, draw)) for language in ("de", "en")}
    count = max(8, plan.chunks // PER_CLUSTER)
    world.centres = _unit(noise.standard_normal((count, DIMENSION), np.float32))
    clusters: list[int] = []
    for number, size in enumerate(plan.sizes()):
        name = f"tenant-{number:02d}"
        # in the largest tenant nothing is for everyone, so that the shares are what their names say
        tenant = Tenant(name, _access_sets(name, size, draw, everyone=number > 0), len(world.texts), size)
        world.tenants.append(tenant)
        own = draw.sample(range(count), max(2, min(count, size // PER_CLUSTER)))
        left = size
        while left:
            n = min(left, draw.randint(1, 2 * PER_DOCUMENT - 1))
            left -= n
            language = draw.choice(("de", "en"))
            cluster = draw.choice(own)
            access = _draw_set(tenant.sets, cluster if plan.topical else None, draw)
            expires = PUBLISHED + timedelta(days=3650) if draw.random() < plan.expiring else None
            document = (world.documents[-1] + 1) if world.documents else 0
            world.texts += list(itertools.islice(streams[language], n))
            world.languages += [language] * n
            world.documents += [document] * n
            world.access += [access] * n
            world.expires += [expires] * n
            clusters += [cluster] * n
    if embeddings:
        world.vectors = _clustered(world.centres, np.array(clusters), noise)
    return world


def _distinct(texts: Iterator[str]) -> Iterator[str]:
    seen: set[int] = set()
    for text in texts:
        if hash(text) not in seen:
            seen.add(hash(text))
            yield text


def near_vectors(world: World, count: int, seed: int = 11) -> Floats:
    """Vectors near passages of the largest tenant, about as near as these are to their neighbours."""
    noise, own = np.random.default_rng(seed), world.tenants[0]
    rows = own.first + noise.integers(0, own.chunks, count)
    return _unit(world.vectors[rows] + noise.standard_normal((count, DIMENSION), np.float32) * _PER_DIMENSION)


def query_vectors(world: World, count: int, seed: int = 11) -> Floats:
    """Vectors near centres that anybody's passages lie around, most of them another tenant's."""
    noise = np.random.default_rng(seed)
    return _clustered(world.centres, noise.integers(0, len(world.centres), count), noise)


def _clustered(centres: Floats, clusters: NDArray[np.int64], noise: np.random.Generator) -> Floats:
    result = np.empty((len(clusters), DIMENSION), np.float32)
    for begin in range(0, len(clusters), 20_000):
        part = clusters[begin : begin + 20_000]
        spread = noise.standard_normal((len(part), DIMENSION), np.float32) * _PER_DIMENSION
        result[begin : begin + 20_000] = _unit(centres[part] + spread)
    return result


def _unit(vectors: Floats) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _access_sets(tenant: str, size: int, draw: random.Random, *, everyone: bool) -> list[Access]:
    """The nested shares first, then random sets of teams, some of them for everyone."""
    shares = [Access(tenant, (name,), "public") for name in SHARES]
    wanted = max(3, min(SETS_MAX, size // 250))
    random_sets: dict[Access, None] = {}
    while len(random_sets) < wanted:
        teams = tuple(sorted(draw.sample(TEAMS, draw.randint(1, 3))))
        if everyone and draw.random() < 0.1:
            teams = ("everyone",)
        random_sets[Access(tenant, teams, draw.choice(CLEARANCES))] = None
    return shares + list(random_sets)


def _draw_set(sets: list[Access], cluster: int | None, draw: random.Random) -> Access:
    """An access set for a document: the shares as often as they say, the others alike."""
    chance = draw.random() if cluster is None else random.Random(cluster).random()
    below = 0.0
    for number, share in enumerate(SHARES.values()):
        if chance < share:
            return sets[number]
        below = share
    rest = sets[len(SHARES) :]
    return rest[int((chance - below) / (1 - below) * len(rest))]


# ---------------------------------------------------------------- as gold has it


class Gold:
    """A world as `publish` wants it: documents in force, and the loader of texts and vectors."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._first: dict[str, int] = {}
        self.desired = Desired(dict(self._documents()), 0)

    def _documents(self) -> Iterator[tuple[str, DesiredDocument]]:
        world = self._world
        starts = [0, *np.flatnonzero(np.diff(world.documents)) + 1, len(world.documents)]
        for begin, end in itertools.pairwise(starts):
            document = self._document(int(begin), int(end))
            yield document.document_id, document

    def _document(self, begin: int, end: int) -> DesiredDocument:
        world = self._world
        number = world.documents[begin]
        access = world.access[begin]
        version = world.versions.get(number, 1)
        document = document_id(world, begin)
        self._first[document] = begin
        facts = {
            "version": version,
            "source": ("blog", "podcast", "document")[number % 3],
            "path": f"blog/{number}.md",
            "title": title(number),
            "language": world.languages[begin],
            "authors": [],
            "tags": [f"tag{number % 7}"],
            "published": f"2026-{number % 10 + 1:02d}-01",
            "url": None,
        }
        return DesiredDocument(
            document_id=document,
            event=version,
            digest=_hash(json.dumps(facts)),
            access=access,
            valid_from=PUBLISHED,
            expires_at=world.expires[begin],
            facts=facts,
            chunks={chunk_id(document, world.texts[row]): _hash(str(row - begin)) for row in range(begin, end)},
        )

    def load(self, wanted: Sequence[tuple[str, int, str]]) -> Passages:
        """Texts and vectors, as `assets.index.desired.read_passages` gives them."""
        world = self._world
        place: dict[tuple[str, str], int] = {}
        for document in dict.fromkeys(key[0] for key in wanted):
            first = self._first[document]
            for row in range(first, first + len(self.desired.documents[document].chunks)):
                place[document, chunk_id(document, world.texts[row])] = row
        rows = [place[key[0], key[2]] for key in wanted]
        facts = [self._facts(key, row, row - self._first[key[0]]) for key, row in zip(wanted, rows, strict=True)]
        return Passages(facts, world.vectors[rows])

    def _facts(self, key: tuple[str, int, str], row: int, ordinal: int) -> dict[str, Any]:
        text = self._world.texts[row]
        return {
            "version": key[1], "ordinal": ordinal, "text": text, "text_sha256": _hash(text) * 2, "heading": None,
            "page": None, "speaker": None, "start_s": None, "end_s": None, "char_start": ordinal * 1000,
            "char_end": ordinal * 1000 + len(text), "language": self._world.languages[row], "chunk_id": key[2],
        }  # fmt: skip


def title(document: int) -> str:
    """Title of a document; its words are indexed with every passage."""
    return f"Document {document}"


def changed(world: World, count: int, seed: int) -> World:
    """The same world with the texts of about `count` passages, whole documents at a time, written anew."""
    draw = random.Random(seed)
    starts = [0, *(np.flatnonzero(np.diff(world.documents)) + 1).tolist()]
    draw.shuffle(starts)
    texts, versions, left = list(world.texts), dict(world.versions), count
    for begin in starts:
        row = begin
        while row < len(texts) and world.documents[row] == world.documents[begin] and left:
            texts[row] = f"{texts[row]} Nachtrag {seed} {row}."
            row, left = row + 1, left - 1
        versions[world.documents[begin]] = versions.get(world.documents[begin], 1) + 1
        if not left:
            break
    return replace(world, texts=texts, versions=versions)


def document_id(world: World, row: int) -> str:
    """Id of the document that a row is of."""
    return _uuid(f"{world.access[row].tenant}/{world.documents[row]}")


def chunk_id(document: str, text: str) -> str:
    """Id of a passage."""
    return hashlib.sha256(f"{document}\0{text}".encode()).hexdigest()


def _uuid(name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Vectors:
    """Stands in for the model: gives each question the vector that was made for it, any other text one at random."""

    max_tokens = 480
    dimension = DIMENSION

    def __init__(self, questions: Sequence[Question], vectors: Floats, name: str = "clustered-384") -> None:
        self._vectors = {question.text: vector for question, vector in zip(questions, vectors, strict=True)}
        self.fingerprint = Fingerprint(name)

    def load(self) -> None:
        """There is nothing to load."""

    def encode_query(self, text: str) -> Floats:
        """The vector, float32 (384,)."""
        if text not in self._vectors:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            self._vectors[text] = _unit(np.random.default_rng(seed).standard_normal((1, DIMENSION), np.float32))[0]
        vector: Floats = self._vectors[text]
        return vector

    def encode_documents(self, texts: Sequence[str]) -> Floats:
        """Vectors, float32 (n, 384)."""
        return np.array([self.encode_query(text) for text in texts], np.float32).reshape(-1, DIMENSION)


@dataclass(frozen=True)
class Fingerprint:
    """Identity of a model."""

    id: str
