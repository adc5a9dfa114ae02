"""Reading retrieval sets, and the measures a ranking is judged by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.beir import discover, ndcg, read_set, recall, same_in_another_language, sample
from benchmarks.quality import distinct_names, tenant
from retrieval.principal import TENANT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, words in {"pets_en": "dog cat cow".split(), "pets_de": "Hund Katze Kuh".split()}.items():
        (tmp_path / name / "qrels").mkdir(parents=True)
        rows = [{"_id": f"d{n}", "title": word, "text": f"the {word}"} for n, word in enumerate(words)]
        (tmp_path / name / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        asked = [{"_id": f"q{n}", "text": word} for n, word in enumerate(words)]
        (tmp_path / name / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
        judged = "q0\td0\t1\nq1\td1\t2\nq1\td2\t1\nq2\td9\t1\nq2\td2\t0\n"
        (tmp_path / name / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_sets_are_found_and_read(folder: Path) -> None:
    assert [path.name for path in discover(folder)] == ["pets_de", "pets_en"]
    assert discover(folder / "pets_en") == [folder / "pets_en"]
    pets = read_set(folder / "pets_en")
    assert [document.text for document in pets.documents] == ["the dog", "the cat", "the cow"]
    # what is judged irrelevant, or is no document of the set, does not count
    assert pets.queries == {"q0": "dog", "q1": "cat"}
    assert pets.relevant == {"q0": {"d0": 1}, "q1": {"d1": 2, "d2": 1}}


def test_a_set_without_judgements_is_refused(folder: Path) -> None:
    (folder / "pets_en" / "qrels" / "test.tsv").unlink()
    with pytest.raises(SystemExit, match="needs judgements"):
        read_set(folder / "pets_en")


@pytest.mark.parametrize(
    "judged",
    [
        "0\td 0\t1\r\n1\tä/ö\t2\r\n1\t7\t1.0\r\n\r\n",
        "query-id\tcorpus-id\tscore\n0\td 0\t1\n1\tä/ö\t2\n1\t7\t1\n",
        "\ufeff0\t0\td 0\t1\n1\t0\tä/ö\t2\n1\t0\t7\t1\n",
        "0\td 0\t1\n1\tä/ö\t2\n1\t7\t1\n2\td 0\t1\n3\td 0\t1\n",
    ],
    ids=["no names of columns", "names", "four columns", "questions that are blank or missing"],
)
def test_what_differs_between_sets_of_the_layout_is_read(tmp_path: Path, judged: str) -> None:
    (tmp_path / "qrels").mkdir()
    rows = [{"_id": "d 0", "text": None}, {"_id": "ä/ö", "title": None, "text": "a \ud800 b"}, {"_id": 7, "title": " "}]
    (tmp_path / "corpus.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    asked = [{"_id": 0, "text": "nought"}, {"_id": "1", "text": "one"}, {"_id": 2, "text": " "}]
    (tmp_path / "queries.jsonl").write_text("\ufeff" + "\n".join(map(json.dumps, asked)), encoding="utf-8")
    (tmp_path / "qrels" / "dev.tsv").write_text(judged, encoding="utf-8", newline="")
    (tmp_path / "qrels" / "train.tsv").write_text("0\t7\t1\n")
    odd = read_set(tmp_path)
    assert [(d.id, d.title, d.text) for d in odd.documents] == [("d 0", "", ""), ("ä/ö", "", "a ? b"), ("7", "", "")]
    assert odd.queries == {"0": "nought", "1": "one"}
    assert odd.relevant == {"0": {"d 0": 1}, "1": {"ä/ö": 2, "7": 1}}


def test_judgements_that_are_none_are_told_with_their_line(folder: Path) -> None:
    (folder / "pets_en" / "qrels" / "test.tsv").write_text("q\td\ts\nq0\td0\tvery\n")
    with pytest.raises(SystemExit, match="line 2"):
        read_set(folder / "pets_en")


def test_names_of_sets_are_distinct_and_can_be_those_of_tenants(folder: Path) -> None:
    pets = read_set(folder / "pets_en")
    names = ["a b", "a_B", "a b ", "Grüße", "  ", "x" * 80]
    named = [one.name for one in distinct_names([replace(pets, name=name) for name in names])]
    assert named == ["a_b", "a_B_2", "a_b_3", "Grue", "set", "x" * 40]
    assert all(TENANT.fullmatch(tenant(replace(pets, name=name))) for name in named)


def test_the_same_set_in_another_language_is_recognised(folder: Path) -> None:
    english, german = read_set(folder / "pets_en"), read_set(folder / "pets_de")
    assert same_in_another_language(english, german)
    (folder / "pets_de" / "qrels" / "test.tsv").write_text("q\td\ts\nq0\td2\t1\nq1\td0\t1\n")
    assert not same_in_another_language(english, read_set(folder / "pets_de"))


def test_a_sample_keeps_what_its_questions_need(folder: Path) -> None:
    pets = read_set(folder / "pets_en")
    for queries, documents in ((1, 3), (2, 3), (2, 1), (1, 1)):
        some = sample(pets, queries, documents)
        kept = {document.id for document in some.documents}
        assert len(some.queries) <= queries
        assert len(kept) == documents
        assert all(some.relevant[query].keys() <= kept for query in some.queries)
        assert some == sample(pets, queries, documents)


def test_ndcg_is_that_of_trec_eval() -> None:
    grades = {"a": 3, "b": 2, "c": 1}
    assert ndcg(["a", "b", "c"], grades) == 1
    assert ndcg(["x", "y"], grades) == 0
    # (2 + 3/log2(3) + 0 + 1/log2(5)) / (3 + 2/log2(3) + 1/log2(4)), worked out by hand
    assert ndcg(["b", "a", "x", "c"], grades) == pytest.approx(4.323465 / 4.761860, abs=1e-6)
    assert ndcg([*"0123456789", "a"], grades) == 0


def test_recall_counts_the_first_five() -> None:
    assert recall(["x", "a", "y", "z", "w", "b"], {"a": 1, "b": 1}) == 0.5
