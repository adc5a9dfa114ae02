"""How fast, exact and closed the search is, at 100,000 and 400,000 passages in 20 tenants, with peers beside it.

Builds its indexes through `assets.index.publish`, once for a folder (`--keep`), and measures the shipped library over
them. CPU is that of the client and of its backends together, in milliseconds of one question. `--parts` runs some
parts alone.
"""

from __future__ import annotations

import argparse
import functools
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import CORPUS, Measures, commit, note, parse
from benchmarks.retrieval import access, legs, load, peers
from benchmarks.retrieval.index import Index, Server, cached
from benchmarks.retrieval.meter import Figures, Meter, joined, p
from benchmarks.retrieval.texts import Question, Source, questions, sources
from benchmarks.retrieval.world import Floats, Plan, Vectors, World, build, near_vectors, query_vectors
from retrieval import Principal

if TYPE_CHECKING:
    from retrieval.embedding import Encoder

CLUSTERED = "clustered-384"
REAL_WORDS = 60
"""Words of a passage whose vector the model makes: enough to be about something."""
REAL_WORDS_QUICK = 24
REAL, REAL_QUICK = 12_000, 2_200
"""Passages with vectors of the model; the quick ones are still enough for a vector index."""
PEERS_QUICK = 60
"""Questions that peers are asked in a quick run, where they have no goals."""
GROWTH_TURN = 40
"""Questions that are asked at one size before the other has its turn."""
SEEN_OF_TOPICS = 6_000
"""Passages that somebody sees of the quick index in which access follows topics: more than are scanned exactly."""


@dataclass
class Bench:
    """What the parts share: data, server, indexes, the figures so far."""

    data: Path
    folder: Path
    quick: bool
    measures: Measures = field(default_factory=Measures)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server = Server(self.folder)
        self._indexes: dict[str, Index] = {}

    @property
    def size(self) -> int:
        """Passages of the smaller index."""
        return 20_000 if self.quick else 100_000

    @cached_property
    def sources(self) -> list[Source]:
        """Texts of the data."""
        found: list[Source] = cached(self.folder, "sources", lambda: sources(self.data))
        return found

    @cached_property
    def questions(self) -> list[Question]:
        """The questions of every part."""
        return questions(self.data, self.sources, 200)

    @cached_property
    def model(self) -> Encoder:
        """The packaged model, prepared once for a machine where KNOWLEDGE_TEST_MODELS names a folder."""
        from retrieval.embedding import load_encoder

        return load_encoder(Path(os.environ.get("KNOWLEDGE_TEST_MODELS") or self.server.home / "models"))

    def index(self, plan: Plan) -> Index:
        """The index of that plan, built when it is not there."""
        if plan.name not in self._indexes:
            world: World = cached(self.folder, plan.name, lambda: build(plan, self.sources))
            index = Index(self.server, world, CLUSTERED)
            began = time.perf_counter()
            if index.ready():
                note(f"{plan.name}: {plan.chunks} passages published in {time.perf_counter() - began:.0f} s")
            self._indexes[plan.name] = index
        return self._indexes[plan.name]

    @property
    def main(self) -> Index:
        """20 tenants, the largest a third of all."""
        return self.index(Plan(f"main{self.size}", self.size))

    @property
    def pair(self) -> tuple[Index, Index]:
        """The same at one and at four times a size."""
        base = self.size // 4 if self.quick else self.size
        return self.index(Plan(f"main{base}", base)), self.index(Plan(f"main{4 * base}", 4 * base))

    @property
    def single(self) -> Index:
        """One tenant, of which one principal sees all, and others see the topics that are theirs."""
        chunks = self.size if self.quick else 384_000
        return self.index(Plan(f"single{chunks}", chunks, tenants=1, topical=True))

    def encoder(self, index: Index) -> tuple[Vectors, Floats]:
        """A vector for each question."""
        vectors = near_vectors(index.world, len(self.questions))
        return Vectors(self.questions, vectors, index.fingerprint), vectors

    def cpu(self, name: str, figures: Figures, p50: float | None = None, p95: float | None = None) -> None:
        """Note what searches cost."""
        self.measures.add(f"{name}_p50", p(figures.cpu, 50), "ms CPU", p50)
        self.measures.add(f"{name}_p95", p(figures.cpu, 95), "ms CPU", p95)
        note(f"{name}: {figures}")


# ------------------------------------------------------------------------- parts


def lexical(bench: Bench) -> None:
    """The lexical leg: equal to a reference, and what it costs."""
    world = bench.main.world
    who = [world.everything(), world.share("tenth"), world.share("hundredth"), world.share("thousandth")]
    equal = legs.lexical_equals(bench.main, 0, who, bench.questions)
    bench.measures.add("lexical_equals_reference", equal, "share", 1.0, "high")
    with bench.main.retriever(legs.nobody(bench.main)) as retriever, legs.LexicalLeg(retriever).session() as leg:
        name = "lexical_cpu_ms_tenant_of_a_third" if bench.quick else "lexical_cpu_ms_33000"
        bench.cpu(name, leg.measure(world.everything(), bench.questions), 2)


def single(bench: Bench) -> None:
    """One principal who sees very much: the lexical leg, and whole searches."""
    index, world = bench.single, bench.single.world
    seen = {"all": (world.everything(), 6)}
    if not bench.quick:
        seen = {"100000": (world.of_size(100_000), 6), "384000": (world.everything(), 11)}
    with index.retriever(legs.nobody(index)) as retriever, legs.LexicalLeg(retriever).session() as leg:
        for name, (who, goal) in seen.items():
            bench.cpu(f"lexical_cpu_ms_{name}", leg.measure(who, bench.questions), goal)
    encoder, _ = bench.encoder(index)
    with index.retriever(encoder) as retriever:
        for name, (who, _) in seen.items():
            bench.cpu(f"search_cpu_ms_seeing_{name}", load.whole(index, retriever, [who], bench.questions))


def topical(bench: Bench) -> None:
    """The vector leg where access follows topics, and most questions are about what the asker may not see."""
    index, world = bench.single, bench.single.world
    vectors = near_vectors(world, 200)
    seen = {"10": world.share("tenth"), "1": world.share("hundredth")}
    if bench.quick:
        seen = {"30": world.of_size(SEEN_OF_TOPICS)}
    encoder, _ = bench.encoder(index)
    for percent, who in seen.items():
        value = legs.recall(index, 0, who, vectors)
        bench.measures.add(f"recall_at_10_topical_{percent}", value, "share", 0.95, "high")
        with index.retriever(encoder) as retriever:
            bench.cpu(f"search_cpu_ms_topical_{percent}", load.whole(index, retriever, [who], bench.questions))


def recall(bench: Bench) -> None:
    """The vector leg against an exact scan, on clustered random vectors.

    Questions lie near something the tenant has; those that lie near nothing are reported apart, since all that could
    be found for them is about equally far.
    """
    index, world = bench.main, bench.main.world
    vectors = near_vectors(world, 200)
    for percent, who in shares(world):
        bench.measures.add(f"recall_at_10_{percent}", legs.recall(index, 0, who, vectors), "share", 0.95, "high")
    off = legs.recall(index, 0, world.everything(), query_vectors(world, 200))
    bench.measures.add("recall_at_10_100_off_topic", off, "share")


def real(bench: Bench) -> None:
    """The same on vectors of the packaged model, of passages and questions of the corpus."""
    plan = Plan("real", REAL_QUICK if bench.quick else REAL, tenants=1)
    world: World = cached(bench.folder, f"real{plan.chunks}", lambda: embedded(bench, plan))
    # cut short, two passages of a document may be the same: number them, which their vectors need not know
    world.texts = [f"{text} {row}" for row, text in enumerate(world.texts)]
    index = Index(bench.server, world, bench.model.fingerprint.id)
    index.ready()
    world = index.world
    vectors = np.array([bench.model.encode_query(question.text) for question in bench.questions])
    for percent, who in shares(world):
        value = legs.recall(index, 0, who, vectors)
        bench.measures.add(f"recall_at_10_real_{percent}", value, "share", 0.99, "high")
    both = legs.recall(index, 0, world.everything(), vectors, bench.questions)
    bench.measures.add("ten_nearest_real_among_50_hits", both, "share")


def embedded(bench: Bench, plan: Plan) -> World:
    """A world of shorter passages with the model's vectors."""
    world = build(plan, bench.sources, embeddings=False)
    words = REAL_WORDS_QUICK if bench.quick else REAL_WORDS
    short = [" ".join(text.split()[:words]) for text in world.texts]
    counts = bench.model.count_tokens(short)
    # what is no prose has as many tokens as characters
    world.texts = [
        text if count <= bench.model.max_tokens else text[: bench.model.max_tokens // 2]
        for text, count in zip(short, counts, strict=True)
    ]
    # the longest step of all: what is made of it outlives an interruption
    blocks = []
    for begin in range(0, plan.chunks, 1000):
        make = functools.partial(bench.model.encode_documents, world.texts[begin : begin + 1000])
        blocks.append(cached(bench.folder, f"real{plan.chunks}-{begin}", make))
    world.vectors = np.concatenate(blocks)
    return world


def shares(world: World) -> list[tuple[str, Principal]]:
    """Who sees how many percent of the largest tenant."""
    return [
        ("100", world.everything()), ("10", world.share("tenth")), ("1", world.share("hundredth")),
        ("0.1", world.share("thousandth")),
    ]  # fmt: skip


def search(bench: Bench) -> None:
    """Whole searches without embedding the question."""
    index, world = bench.main, bench.main.world
    encoder, _ = bench.encoder(index)
    with index.retriever(encoder) as retriever:
        found = load.whole(index, retriever, [world.everything()], bench.questions)
        bench.cpu("search_cpu_ms", found, 9, 12)
        small = [world.everything(number) for number in range(10, 20)]
        bench.cpu("search_cpu_ms_small_tenants", load.whole(index, retriever, small, bench.questions))
    bench.model.load()
    embedding = Meter(list).measure([encoding(bench, question) for question in bench.questions])
    bench.cpu("embedding_cpu_ms", embedding)
    bench.measures.add("search_over_embedding", p(found.cpu, 50) / p(embedding.cpu, 50), "ratio", 0.5)


def cache(bench: Bench) -> None:
    """An answer that is kept, without embedding the question, and what the first one costs where answers are kept."""
    index, world = bench.main, bench.main.world
    encoder, _ = bench.encoder(index)
    who = [world.everything()]
    with index.retriever(encoder) as plain, index.retriever(encoder, result_cache_size=10_000) as retriever:
        without = load.whole(index, plain, who, bench.questions)
        load.whole(index, retriever, who, bench.questions[:20])
        missed = Meter(index.pids).measure(load.asks(retriever, who, bench.questions[20:]))
        found = Meter(index.pids).measure(load.asks(retriever, who, bench.questions))
    bench.cpu("cached_cpu_ms", found)
    bench.measures.add("cached_ms_p50", p(found.wall, 50), "ms")
    bench.measures.add("cached_over_search", p(found.cpu, 50) / p(without.cpu, 50), "ratio")
    bench.measures.add("cache_miss_over_search", p(missed.cpu, 50) / p(without.cpu, 50), "ratio")
    note(f"cache: kept {found}; first {missed}; without a cache {without}")


def encoding(bench: Bench, question: Question) -> Callable[[], object]:
    """The question embedded."""
    return lambda: bench.model.encode_query(question.text)


def growth(bench: Bench) -> None:
    """The same at four times the size, for the same mixture of callers.

    Both sizes are asked in turns, since the machine is faster in some minutes than in others. Before, each was asked
    everything once: a server that was just started reads its indexes from files at first, and statements are prepared
    where a tenant is met.
    """
    with ExitStack() as stack:
        asked = []
        for index in bench.pair:
            draw = random.Random(5)
            who = [index.world.random_principal(draw) for _ in bench.questions]
            retriever = stack.enter_context(index.retriever(bench.encoder(index)[0]))
            asked.append((Meter(index.pids), list(load.asks(retriever, who, bench.questions))))
        for _, asks in asked:
            for ask in asks:
                ask()
        found: list[list[Figures]] = [[], []]
        for begin in range(0, len(bench.questions), GROWTH_TURN):
            for figures, (meter, asks) in zip(found, asked, strict=True):
                figures.append(meter.measure(asks[begin : begin + GROWTH_TURN]))
    small, large = map(joined, found)
    bench.cpu("search_cpu_ms_anybody", small)
    bench.cpu("search_cpu_ms_anybody_4x", large)
    bench.measures.add("growth_4x_p50", p(large.cpu, 50) / p(small.cpu, 50), "ratio", 1.5)


def throughput(bench: Bench) -> None:
    """Sixteen callers at once."""
    index, world = bench.main, bench.main.world
    encoder, _ = bench.encoder(index)
    with index.retriever(encoder) as retriever:
        alone = load.whole(index, retriever, [world.everything()], bench.questions)
        many = load.throughput(index, retriever, [world.everything()], bench.questions)
    possible = cores() * 1000 / p(alone.cpu, 50)
    bench.measures.add("throughput_16_callers", many.per_second, "1/s")
    bench.measures.add("throughput_share_of_possible", many.per_second / possible, "share", 0.8, "high")
    bench.measures.add("throughput_p99_ms", many.p99_ms, "ms")
    bench.measures.add("throughput_cores_used", many.cores, "cores")
    note(f"throughput: {many}")


def publishing(bench: Bench) -> None:
    """A publication of 1,000 changed passages beside the searches."""
    index, world = bench.main, bench.main.world
    encoder, _ = bench.encoder(index)
    with index.retriever(encoder) as retriever:
        beside = load.publishing(index, retriever, [world.everything()], bench.questions, 1000)
    bench.measures.add("publishing_failed_queries", beside.failed, "queries", 0)
    bench.measures.add("publishing_p95_over_idle", beside.busy_p95_ms / beside.idle_p95_ms, "ratio", 2.0)
    bench.measures.add("publishing_1000_s", beside.publish_s, "s")
    note(f"publishing: {beside}")


def leaks(bench: Bench) -> None:
    """What anybody gets against what they may see."""
    encoder, _ = bench.encoder(bench.main)
    proof = access.prove(bench.main, encoder, bench.questions, 300 if bench.quick else 3000)
    bench.measures.add("leaks", proof.leaks, "passages", 0)
    bench.measures.add("missing", proof.missing, "passages", 0)
    bench.measures.add("access_pairs", proof.pairs, "pairs")


def runtime(bench: Bench) -> None:
    """Memory and import."""
    facts = load.runtime(bench.main, bench.main.world.everything(), bench.questions[:50])
    bench.measures.add("runtime_memory_mib", facts["resident_mib"], "MiB", 150)
    bench.measures.add("import_cpu_s", facts["import_s"], "s", 0.5)
    assert not facts["torch"]


def beside_peers(bench: Bench) -> None:
    """The same passages and questions, of one principal, asked of other libraries."""
    index, world = bench.main, bench.main.world
    encoder, vectors = bench.encoder(index)
    who = world.everything()
    folder = peers.folder_of(index)
    count = PEERS_QUICK if bench.quick else len(bench.questions)
    peers.hand_over(folder, world, who, bench.questions[:count], vectors[:count])
    for name, (_, times) in peers.PEERS.items():
        figures = peers.run(bench.server, name, folder)
        if figures is None:
            bench.measures.notes[name] = "skipped: pip could not fetch it"
            note(f"{name} skipped: pip could not fetch it")
            continue
        with index.retriever(encoder) as retriever:
            own = load.whole(index, retriever, [who], bench.questions)  # right after it, on as busy a machine
        bench.measures.add(f"{name}_cpu_ms_p50", figures["p50"], "ms CPU")
        bench.measures.add(f"{name}_cpu_ms_p95", figures["p95"], "ms CPU")
        ratio, goal = figures["p50"] / p(own.cpu, 50), None if bench.quick else times  # a goal at 100,000 passages
        bench.measures.add(f"times_less_cpu_than_{name}", ratio, "times", goal, "high")
        note(f"{name}: {figures}; here {own}")


PARTS: dict[str, Callable[[Bench], None]] = {
    "lexical": lexical,
    "recall": recall,
    "real": real,
    "search": search,
    "cache": cache,
    "throughput": throughput,
    "leaks": leaks,
    "runtime": runtime,
    "publishing": publishing,
    "peers": beside_peers,
    "single": single,
    "topical": topical,
    "growth": growth,
}
"""In the order of what they need: the smaller index first, the largest ones last."""


def cores() -> int:
    """Cores this process may use."""
    from retrieval.embedding.backends import available_cores

    return available_cores()


def main() -> int:
    """Run the parts and report."""
    arguments = parse(__doc__ or "", CORPUS, _extend)
    with _folder(arguments.keep) as folder:
        bench = Bench(arguments.data, folder, arguments.quick)
        for name in arguments.parts:
            kept = folder / f"figures-{name}{'-quick' if arguments.quick else ''}.pickle"
            if arguments.resume and kept.exists():
                made_by, figures = pickle.loads(kept.read_bytes())
                if made_by == commit():
                    bench.measures.values |= figures
                    continue
            began, before = time.perf_counter(), set(bench.measures.values)
            PARTS[name](bench)
            figures = {key: value for key, value in bench.measures.values.items() if key not in before}
            kept.write_bytes(pickle.dumps((commit(), figures)))
            note(f"{name} took {time.perf_counter() - began:.0f} s")
        return bench.measures.finish(arguments)


def _extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", type=Path, help="folder for indexes, which later runs use again")
    parser.add_argument("--resume", action="store_true", help="take over the parts that are finished there")
    parser.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=list(PARTS),
        help=f"some of {','.join(PARTS)}; default: all",
    )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="kb-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
