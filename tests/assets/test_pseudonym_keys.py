"""Keys of pseudonyms: who has them can tell people apart, rotation leaves no half-state, and a missing one is told."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.bronze.contract import SOURCE_FILES
from assets.bronze.ingest import ingest_source
from assets.erasure.erase import Erasure, Target
from assets.erasure.subject import tokens_of
from assets.index.desired import read_desired, read_passages
from assets.index.publish import differences, publish
from assets.index.releases import purge
from assets.keyring import KEY_BYTES
from assets.pseudonyms import uses
from assets.silver.contract import DOCUMENTS
from assets.silver.document import Document
from assets.silver.pii.keys import PseudonymKeys, key_of, stamped
from assets.silver.pii.span import PSEUDONYM, neutral
from assets.silver.redact import redact
from assets.silver.refine import refine_partition
from retrieval.embedding import Encoder
from retrieval.errors import ConfigurationError, PermanentError
from tests.assets.mill import Mill, make_silver, new_mill
from tests.support import Databases, Index

MAIL = "quirin.feuerfalter@example.org"
TENANTS = st.sampled_from(["acme", "bolt", "a", "acme2"])
SECRETS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


def ring(*keys: bytes) -> PseudonymKeys:
    return PseudonymKeys.load(",".join(base64.b64encode(key).decode() for key in keys), Path("/nowhere"))


def pseudonyms(text: str, key: bytes) -> list[str]:
    document = Document(text, (), "none/0", language="en")
    return PSEUDONYM.findall(redact(document, key, names=False).document.text)


# ------------------------------------------------------------------------ keys


@settings(deadline=None, max_examples=20)
@given(
    mails=st.lists(st.from_regex(r"\A[a-z]{3,9}\.[a-z]{3,9}@[a-z]{4,8}\.org\Z"), min_size=2, max_size=4, unique=True),
    tenants=st.lists(TENANTS, min_size=2, max_size=2, unique=True),
    secret=SECRETS,
    other=SECRETS,
)
def test_a_pseudonym_tells_people_apart_within_a_tenant_and_nothing_without_the_key(
    mails: list[str], tenants: list[str], secret: bytes, other: bytes
) -> None:
    keys = ring(secret)
    text = "\n".join(f"Write to {mail} or {mail.upper()}." for mail in mails)

    here, there = (pseudonyms(text, keys.of_tenant(tenant)) for tenant in tenants)

    assert here[::2] == here[1::2], "one person, however it is written, is one pseudonym"
    assert len(set(here)) == len(mails), "and two are two"
    assert not set(here) & set(there), "in another tenant it is another"
    if other != secret:
        guessed = pseudonyms(text, ring(other).of_tenant(tenants[0]))
        assert not set(here) & set(guessed), "who lacks the key cannot look anybody up"
        assert list(map(neutral, here)) == list(map(neutral, guessed))


def test_the_newest_key_makes_what_is_new_and_older_ones_still_find(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pseudonym.keys"
    first = PseudonymKeys.load(None, path)
    new = PseudonymKeys.add(path)
    both = PseudonymKeys.load(None, path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert both.current == new != first.current
    assert both.of_tenant("acme", first.current) == first.of_tenant("acme") != both.of_tenant("acme")
    assert key_of(stamped("recognizers/3", new)) == new
    assert key_of("recognizers/3") is None

    PseudonymKeys.drop(path, [first.current])
    assert list(PseudonymKeys.load(None, path).keys) == [new]


def test_the_one_key_of_an_older_home_goes_on(tmp_path: Path) -> None:
    older = tmp_path / "keys" / "pii.key"
    older.parent.mkdir()
    older.write_bytes(bytes(range(KEY_BYTES)))
    older.chmod(0o600)

    keys = PseudonymKeys.load(None, older.with_name("pseudonym.keys"))

    assert list(keys.keys.values()) == [bytes(range(KEY_BYTES))]
    older.chmod(0o644)
    older.with_name("pseudonym.keys").unlink()
    with pytest.raises(ConfigurationError, match=rf"run `chmod 600 {older}`"):
        PseudonymKeys.load(None, older.with_name("pseudonym.keys"))


@pytest.mark.parametrize("text", ["", "abc", "lost:12345678", base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pseudonym.keys"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(ConfigurationError, match="pseudonym key"):
        PseudonymKeys.load(None, path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="run `chmod 600"):
        PseudonymKeys.load(None, path)


def test_a_missing_key_is_told_until_it_is_said_to_be_lost() -> None:
    keys = ring(bytes(KEY_BYTES))

    keys.demand([keys.current])
    with pytest.raises(PermanentError, match="0123abcd, which is missing from KNOWLEDGE_PSEUDONYM_KEYS: restore it"):
        keys.demand([keys.current, "0123abcd"])
    text = f"lost:0123abcd,{base64.b64encode(bytes(KEY_BYTES)).decode()}"
    PseudonymKeys.load(text, Path("/nowhere")).demand(["0123abcd"])


# -------------------------------------------------------------------- rotation


@pytest.fixture(scope="module")
def baseline(
    databases: Databases, models_dir: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mill, str]:
    """One release of a person who is named in two sources, and of a text that names nobody."""
    assert encoder.fingerprint.id
    mill, name = new_mill(tmp_path_factory.mktemp("rotation"), models_dir, databases)
    mill.put("blog/leute.md", f"# Leute\n\nZu erreichen unter {MAIL}, wenn es brennt.\n")
    mill.put("document/akte.md", f"# Akte\n\nEin Brief ging an {MAIL} und kam nicht an.\n")
    mill.put("document/technik/heizung.md", "# Heizung\n\nDie Wärmepumpe läuft auch im Winter leise.\n")
    mill.run()
    return mill, name


def rotate(mill: Mill) -> str:
    return PseudonymKeys.add(mill.home / "keys" / "pseudonym.keys")


def mail_in(mill: Mill, key: str) -> str:
    (token,) = tokens_of(MAIL, [mill.stores().pseudonyms.of_tenant("acme", key)])
    return token


def told(index: Index, release: int) -> set[str]:
    rows = index.owner.execute(
        "select text from space_1.chunk where added_in <= %s and removed_in > %s", [release, release]
    ).fetchall()
    return {token for (text,) in rows for token in PSEUDONYM.findall(text)}


def test_a_rotation_gives_new_pseudonyms_and_never_two_in_one_release(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, index = make()
    old = mill.stores().pseudonyms.current
    vectors = index.owner.execute("select chunk_id, text_sha256 from space_1.chunk order by 1").fetchall()
    new = rotate(mill)
    stores = mill.stores()
    assert set(stores.ledger().unfinished().path) == {
        "blog/leute.md",
        "document/akte.md",
        "document/technik/heizung.md",
    }

    # one of two sources is redacted anew, as a run of its own would do it
    ((date, source),) = [place for place in stores.lake.partitions(SOURCE_FILES) if place[1] == "blog"]
    make_silver(stores, date, source)
    assert publish_only(mill) == (1, False, 1)
    assert told(index, 1) == {mail_in(mill, old)}

    assert mill.run() == 2

    assert told(index, 1) == {mail_in(mill, old)}, "what is kept stays as it was"
    assert told(index, 2) == {mail_in(mill, new)}
    kept = index.owner.execute("select chunk_id, text_sha256 from space_1.chunk where removed_in > 2 order by 1")
    assert kept.fetchall() == vectors, "ids and vectors do not depend on the key"
    assert mill.run() == 2, "and that was all"
    assert (uses(stores, index.owner).documents, uses(stores, index.owner).releases) == ({new: 3}, {old: 1, new: 1})
    purge(index.owner, keep=0, now=mill.now)
    assert uses(stores, index.owner).keys == {new}
    assert uses(stores, index.owner).untold is None


def test_access_changes_do_not_wait_for_a_rotation(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, index = make()
    rotate(mill)
    stores = mill.stores()
    ((date, source),) = [place for place in stores.lake.partitions(SOURCE_FILES) if place[1] == "blog"]
    stores.lake.replace(DOCUMENTS, date, source, refine_partition(stores, date, source).documents)
    mill.put(
        "document/technik/heizung.md", (mill.inbox / "document/technik/heizung.md").read_text(), policy="tenant: ["
    )
    ingest_source(stores, "document")

    assert publish_only(mill)[1:] == (False, 1)
    hidden = index.owner.execute("select path from space_1.document where expires_at is not null").fetchall()
    assert hidden == [("document/technik/heizung.md",)]


def test_a_person_is_erased_from_releases_of_older_keys(make: Callable[[], tuple[Mill, Index]]) -> None:
    mill, index = make()
    old = mill.stores().pseudonyms.current
    new = rotate(mill)
    mill.run()
    path = mill.home / "keys" / "pseudonym.keys"
    whole = path.read_text()
    path.write_text(whole.splitlines()[1] + "\n")
    erasure = Erasure(mill.stores(), Target(subject=MAIL), by="somebody")
    with pytest.raises(ConfigurationError, match=f"under the key {old}, which is missing"):
        erasure.run()
    path.write_text(whole)

    outcome = Erasure(mill.stores(), Target(subject=MAIL), by="somebody").run()

    assert outcome.certificate is not None
    texts = " ".join(text for (text,) in index.owner.execute("select text from space_1.chunk").fetchall())
    assert "Wärmepumpe" in texts
    assert not {mail_in(mill, old), mail_in(mill, new)} & set(PSEUDONYM.findall(texts))


def test_what_was_made_under_a_lost_key_is_redacted_anew_once_that_was_said(
    make: Callable[[], tuple[Mill, Index]],
) -> None:
    mill, index = make()
    old = mill.stores().pseudonyms.current
    path = mill.home / "keys" / "pseudonym.keys"
    path.unlink()
    with pytest.raises(PermanentError, match=f"{old}, which is missing from {re.escape(str(path))}"):
        mill.run()
    path.write_text(f"lost:{old}\n{path.read_text()}")

    assert mill.run() == 2

    assert told(index, 2) == {mail_in(mill, mill.stores().pseudonyms.current)}
    outcome = Erasure(mill.stores(), Target(document="document/akte.md"), by="somebody").run()
    assert outcome.certificate is not None
    assert any(f"lost key {old}" in sentence for sentence in outcome.certificate.remains)


def publish_only(mill: Mill) -> tuple[int | None, bool, int]:
    """(newest release, whether it is new, documents waited for); the index equals what may be published."""
    stores = mill.stores()
    ledger, print_ = stores.ledger(), stores.encoder.fingerprint.id
    desired = read_desired(stores.lake, ledger, now=mill.now)
    dimension = stores.encoder.dimension
    with stores.connect() as connection:
        done = publish(
            connection,
            desired,
            lambda wanted: read_passages(stores.lake, ledger, wanted, fingerprint=print_, dimension=dimension),
            fingerprint=print_,
            dimension=dimension,
            now=mill.now,
        )
        assert not differences(connection, desired, space=1, now=mill.now)
    return done.release, done.created, done.waiting
