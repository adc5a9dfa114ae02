"""The lake: what is written comes back, once, in order, with the contract's types, and leaks nothing."""

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.contract import PARTITION, Column, Contract
from assets.errors import LakeConflictError, LakeError, LakeSchemaError, LakeUnavailableError
from assets.lake import Lake
from assets.silver.contract import DOCUMENTS
from retrieval.errors import ConfigurationError, TransientError

DAY, NEXT_DAY = "2026-03-01", "2026-03-02"
SECRET = "zitronenfalter"

NOTES = Contract(
    name="test/notes",
    doc="Notes.",
    key=("id",),
    columns=(
        *PARTITION,
        Column("id", pa.string(), "Name."),
        Column("rank", pa.int32(), "Number."),
        Column("text", pa.string(), "Private text.", private=True),
        Column("raw", pa.binary(), "Private bytes.", nullable=True, private=True),
        Column("tags", pa.list_(pa.string()), "Tags.", nullable=True),
    ),
)


def notes(count: int, *, date: str = DAY, source: str = "blog", prefix: str = "n", text: str = "t") -> pa.Table:
    rows = [
        {
            "date": date,
            "source": source,
            "id": f"{prefix}{number:05d}",
            "rank": number,
            "text": f"{text} {number}",
            "raw": text.encode(),
            "tags": ["a", "b"],
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=NOTES.schema)


def shuffled(table: pa.Table, seed: int = 7) -> pa.Table:
    order = list(range(table.num_rows))
    random.Random(seed).shuffle(order)
    return table.take(pa.array(order, pa.int64()))


def versions(lake: Lake) -> int:
    return len(list(Path(lake.table_uri(NOTES), "_delta_log").glob("*.json")))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", sleep=lambda seconds: None)


def test_a_table_never_written_is_empty_with_the_contract_types(lake: Lake) -> None:
    assert lake.read(NOTES).schema == NOTES.schema
    assert lake.read(NOTES, ["rank", "id"]).schema.names == ["rank", "id"]
    assert lake.partitions(NOTES) == set()


def test_what_is_written_comes_back_with_the_contract_types(lake: Lake) -> None:
    assert lake.replace(NOTES, DAY, "blog", notes(50))

    assert lake.read(NOTES).equals(notes(50))
    assert lake.read(NOTES).schema == NOTES.schema


def test_nested_columns_keep_their_types(lake: Lake) -> None:
    row = {
        **{name: "" for name in DOCUMENTS.schema.names if DOCUMENTS.schema.field(name).type == pa.string()},
        "date": DAY,
        "source": "blog",
        "document_id": "d",
        "version": 1,
        "event": 1,
        "authors": ["A"],
        "tags": [],
        "notes": [],
        "blocks": [{"kind": "turn", "start": 0, "end": 3, "speaker": "A", "start_s": 0.5, "end_s": 2.0}],
        "received_at": datetime(2026, 3, 1, tzinfo=UTC),
    }
    table = pa.Table.from_pylist([row], schema=DOCUMENTS.schema)

    lake.replace(DOCUMENTS, DAY, "blog", table)

    assert lake.read(DOCUMENTS).equals(table)
    assert not lake.replace(DOCUMENTS, DAY, "blog", table)


def test_large_and_view_types_are_taken_as_what_they_are(lake: Lake) -> None:
    table = notes(3)
    table = table.set_column(4, "text", table.column("text").cast(pa.large_string()))
    table = table.set_column(5, "raw", table.column("raw").cast(pa.large_binary()))

    lake.replace(NOTES, DAY, "blog", table)

    assert lake.read(NOTES).schema == NOTES.schema


def test_rows_come_back_in_the_order_of_partition_and_key(lake: Lake) -> None:
    lake.append(NOTES, shuffled(notes(20, date=NEXT_DAY, prefix="a")))
    lake.append(NOTES, shuffled(notes(20, prefix="z")))
    lake.append(NOTES, shuffled(notes(20, prefix="m")))

    names = lake.read(NOTES, ["id"]).column("id").to_pylist()

    assert [name[0] for name in names] == ["m"] * 20 + ["z"] * 20 + ["a"] * 20
    assert names == sorted(names[:40]) + sorted(names[40:])


def test_the_same_rows_in_another_order_commit_nothing(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(30))
    before = versions(lake)

    assert not lake.replace(NOTES, DAY, "blog", shuffled(notes(30)))
    assert versions(lake) == before


@pytest.mark.parametrize("other", [notes(29), notes(31), notes(30, text="u"), notes(30, prefix="x")])
def test_other_rows_take_the_place_of_the_partition(lake: Lake, other: pa.Table) -> None:
    lake.replace(NOTES, DAY, "blog", notes(30))

    assert lake.replace(NOTES, DAY, "blog", other)
    assert lake.read(NOTES).equals(other)


def test_replacing_touches_one_partition_only(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(5))
    lake.replace(NOTES, NEXT_DAY, "blog", notes(6, date=NEXT_DAY))
    lake.replace(NOTES, DAY, "podcast", notes(7, source="podcast"))

    lake.replace(NOTES, DAY, "blog", notes(1))

    assert lake.read(NOTES).num_rows == 1 + 6 + 7
    assert lake.partitions(NOTES) == {(DAY, "blog"), (NEXT_DAY, "blog"), (DAY, "podcast")}


def test_an_empty_table_clears_the_partition(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(5))

    assert lake.replace(NOTES, DAY, "blog", notes(0))
    assert not lake.replace(NOTES, DAY, "blog", notes(0))
    assert lake.read(NOTES).num_rows == 0
    assert lake.partitions(NOTES) == set()


def test_clearing_what_was_never_written_creates_no_table(lake: Lake) -> None:
    assert not lake.replace(NOTES, DAY, "blog", notes(0))
    assert not Path(lake.table_uri(NOTES)).exists()


def test_only_the_partitions_asked_for_are_read(lake: Lake) -> None:
    for date in (DAY, NEXT_DAY):
        for source in ("blog", "podcast"):
            lake.replace(NOTES, date, source, notes(3, date=date, source=source, prefix=f"{date}{source}"))
    for file in Path(lake.table_uri(NOTES), f"date={NEXT_DAY}").rglob("*.parquet"):
        file.unlink()

    table = lake.read(NOTES, ["date", "source"], partitions={(DAY, "blog"), (DAY, "podcast")})

    assert set(zip(*table.to_pydict().values(), strict=True)) == {(DAY, "blog"), (DAY, "podcast")}
    assert lake.read(NOTES, partitions=set()).num_rows == 0
    with pytest.raises(LakeUnavailableError, match="test/notes"):
        lake.read(NOTES)


def test_rows_can_be_chosen_by_a_condition(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(10))

    assert lake.read(NOTES, ["id"], where=pc.field("rank") >= 8).column("id").to_pylist() == ["n00008", "n00009"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (notes(2).drop_columns(["rank"]), "missing: rank"),
        (notes(2).append_column("more", pa.array([1, 2])), "surplus: more"),
        (notes(2).set_column(3, "rank", pa.array(["1", "2"])), "column rank is string instead of int32"),
        (notes(2).set_column(4, "text", pa.array([SECRET, None])), "column text lacks 1 of 2 values"),
        (pa.concat_tables([notes(2), notes(1)]), "1 rows repeat a key"),
        (notes(2, date=NEXT_DAY), "rows outside partition"),
        (notes(2, source="podcast"), "rows outside partition"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name_and_without_values(lake: Lake, table: pa.Table, said: str) -> None:
    with pytest.raises(LakeSchemaError, match=said) as caught:
        lake.replace(NOTES, DAY, "blog", table)

    assert SECRET not in str(caught.value)
    assert lake.read(NOTES).num_rows == 0


@pytest.mark.parametrize("partition", [("2026-3-1", "blog"), ("' OR 1=1 --", "blog"), (DAY, "wiki")])
def test_a_partition_that_is_none_is_refused(lake: Lake, partition: tuple[str, str]) -> None:
    with pytest.raises(LakeSchemaError, match="is not a partition"):
        lake.replace(NOTES, *partition, notes(0))


def test_the_transaction_log_holds_nothing_private(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(20, text=SECRET))
    lake.append(NOTES, notes(20, text=SECRET, prefix="m"))
    lake.maintain(NOTES, retention=timedelta(0))

    log = [file for file in Path(lake.table_uri(NOTES), "_delta_log").rglob("*") if file.is_file()]
    assert any(file.suffix == ".parquet" for file in log)
    for file in log:
        content = pq.read_table(file).to_pylist() if file.suffix == ".parquet" else file.read_text()
        assert SECRET not in str(content)
        assert SECRET.encode() not in file.read_bytes()
    assert "n00019" in "".join(file.read_text() for file in log if file.suffix == ".json")


def test_appending_a_key_that_is_there_is_refused(lake: Lake) -> None:
    assert lake.append(NOTES, notes(3)) == 3

    with pytest.raises(LakeConflictError, match="1 of 2 rows") as caught:
        lake.append(NOTES, pa.concat_tables([notes(3).slice(2), notes(1, prefix="x")]))

    assert isinstance(caught.value, TransientError)
    assert lake.read(NOTES).num_rows == 3


def test_of_two_writers_that_append_the_same_rows_at_once_one_wins(lake: Lake) -> None:
    lake.append(NOTES, notes(1, prefix="first"))
    outcomes = _at_once(8, lambda number: lake.append(NOTES, notes(5)))

    assert [outcome for outcome in outcomes if outcome == 5] == [5]
    assert sum(isinstance(outcome, LakeConflictError) for outcome in outcomes) == 7
    assert lake.read(NOTES).num_rows == 6


def test_writers_on_different_partitions_do_not_disturb_each_other(lake: Lake) -> None:
    days = [f"2026-03-{day:02d}" for day in range(1, 9)]
    outcomes = _at_once(8, lambda number: lake.replace(NOTES, days[number], "blog", notes(5, date=days[number])))

    assert outcomes == [True] * 8
    assert lake.read(NOTES).num_rows == 40


def test_writers_on_one_partition_end_with_the_content_of_one(lake: Lake) -> None:
    lake = Lake(lake.uri, attempts=20)
    outcomes = _at_once(6, lambda number: lake.replace(NOTES, DAY, "blog", notes(5, text=str(number))))

    assert outcomes == [True] * 6
    assert any(lake.read(NOTES).equals(notes(5, text=str(number))) for number in range(6))


def test_a_conflict_is_tried_again_with_growing_pauses_and_then_reported(tmp_path: Path) -> None:
    rival = Lake(tmp_path)
    rival.replace(NOTES, DAY, "blog", notes(1))
    pauses: list[float] = []

    class Overtaken(Lake):
        """A lake whose every commit is overtaken by somebody else's."""

        overtakings = 0

        def _open(self, contract: Contract) -> object:  # type: ignore[override]
            table = super()._open(contract)
            self.overtakings += 1
            rival.replace(NOTES, DAY, "blog", notes(2, text=f"rival {self.overtakings}"))
            return table

    with pytest.raises(LakeConflictError, match="4 times in a row"):
        Overtaken(tmp_path, sleep=pauses.append, attempts=4).replace(NOTES, DAY, "blog", notes(3))

    assert pauses == [0.05, 0.1, 0.2]
    assert rival.read(NOTES).num_rows == 2


def test_a_column_that_the_contract_gained_is_null_in_old_rows(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(3))
    wider = Contract(NOTES.name, NOTES.doc, (*NOTES.columns, Column("mood", pa.string(), "New.", True)), NOTES.key)

    assert lake.read(wider).column("mood").null_count == 3
    rows = notes(2, date=NEXT_DAY).append_column("mood", pa.array(["gut", "besser"]))
    assert lake.replace(wider, NEXT_DAY, "blog", rows)
    assert lake.read(wider).column("mood").to_pylist() == [None, None, None, "gut", "besser"]


def test_old_rows_read_as_if_they_had_the_column_that_the_contract_fills(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(2))
    grown = Contract(
        NOTES.name,
        NOTES.doc,
        (
            *NOTES.columns,
            Column("of", pa.string(), "Whose it is.", filled=pc.field("id")),
            Column("mood", pa.string(), "Mood.", nullable=True),
        ),
        NOTES.key,
    )

    assert lake.read(grown, ["of", "mood"]).to_pylist() == [
        {"of": "n00000", "mood": None},
        {"of": "n00001", "mood": None},
    ]
    assert lake.read(grown, ["id"], where=pc.field("mood").is_valid()).num_rows == 0
    old = lake.read(grown)
    assert not lake.replace(grown, DAY, "blog", old)
    new = notes(2, date=NEXT_DAY, prefix="m").append_column("of", pa.array(["x", "y"]))
    new = new.append_column("mood", pa.array(["gut", None]))

    lake.replace(grown, NEXT_DAY, "blog", new)

    assert lake.read(grown, ["of"]).column("of").to_pylist() == ["n00000", "n00001", "x", "y"]
    assert lake.read(grown, ["id"], where=pc.field("mood").is_valid()).column("id").to_pylist() == ["m00000"]
    lake.replace(grown, DAY, "blog", old.slice(1))
    lake.append(grown, old.slice(0, 1))
    assert lake.read(grown, ["of"]).column("of").to_pylist() == ["n00000", "n00001", "x", "y"]


def test_a_stored_table_without_a_required_column_is_refused(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(3))
    wider = Contract(NOTES.name, NOTES.doc, (*NOTES.columns, Column("mood", pa.string(), "New.")), NOTES.key)

    with pytest.raises(LakeSchemaError, match="no column mood"):
        lake.read(wider)


def test_maintenance_merges_files_and_deletes_what_nobody_needs(lake: Lake) -> None:
    for number in range(4):
        lake.append(NOTES, notes(3, prefix=f"p{number}-"))
    before = lake.read(NOTES)

    done = lake.maintain(NOTES, retention=timedelta(0))

    assert (done.merged, done.deleted) == (4, 4)
    assert len(list(Path(lake.table_uri(NOTES)).rglob("date=*/**/*.parquet"))) == 1
    assert lake.read(NOTES).equals(before)


def test_maintenance_of_a_table_never_written_does_nothing(lake: Lake) -> None:
    assert lake.maintain(NOTES, retention=timedelta(days=7)).merged == 0


def test_a_root_that_is_a_file_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("no folder")
    lake = Lake(tmp_path / "lake")

    with pytest.raises(ConfigurationError, match="KNOWLEDGE_LAKE"):
        lake.read(NOTES)
    with pytest.raises(ConfigurationError, match="KNOWLEDGE_LAKE"):
        lake.replace(NOTES, DAY, "blog", notes(1))


def test_a_table_whose_creation_was_cut_short_is_created_again(lake: Lake) -> None:
    Path(lake.table_uri(NOTES), "_delta_log").mkdir(parents=True)

    assert lake.read(NOTES).num_rows == 0
    assert lake.append(NOTES, notes(2)) == 2


def test_a_damaged_log_is_no_empty_table(lake: Lake) -> None:
    lake.replace(NOTES, DAY, "blog", notes(1))
    for file in Path(lake.table_uri(NOTES), "_delta_log").glob("*.json"):
        file.write_text("{")

    with pytest.raises(LakeError, match="test/notes"):
        lake.read(NOTES)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_setting_to_correct(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(ConfigurationError, match="permissions"):
        Lake(tmp_path / "lake").replace(NOTES, DAY, "blog", notes(1))


FULL_DISK = """
import resource, signal, sys
from assets.lake import Lake
from retrieval.errors import ConfigurationError
from tests.assets.test_lake import DAY, NOTES, notes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
lake = Lake(sys.argv[1])
lake.replace(NOTES, DAY, "blog", notes(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    lake.replace(NOTES, DAY, "blog", notes(1000))
except ConfigurationError as error:
    print(error)
"""


def test_storage_that_takes_no_more_is_a_setting_to_correct(lake: Lake) -> None:
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, lake.uri], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )

    assert "raise the limit on file sizes" in run.stdout
    assert lake.read(NOTES).equals(notes(1))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from([DAY, NEXT_DAY]), st.integers(0, 6), st.booleans()), max_size=6))
def test_any_sequence_of_replacements_equals_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    expected: dict[str, pa.Table] = {}
    for date, count, upper in steps:
        table = notes(count, date=date, text="T" if upper else "t")
        changed = not table.equals(expected.get(date, notes(0)))
        assert lake.replace(NOTES, date, "blog", shuffled(table)) == changed
        expected[date] = table

    stored = lake.read(NOTES)
    assert stored.equals(pa.concat_tables([NOTES.schema.empty_table(), *(expected[d] for d in sorted(expected))]))


def _at_once(count: int, work: Callable[[int], object]) -> list[object]:
    outcomes: list[object] = [None] * count
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            outcomes[number] = work(number)
        except LakeConflictError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_forgetting_leaves_nothing_but_the_newest_version(lake: Lake) -> None:
    root = Path(lake.table_uri(NOTES))
    for number in range(3):
        lake.append(NOTES, notes(2, prefix=f"{SECRET}-{number}-", text=SECRET))
    lake.replace(NOTES, DAY, "blog", notes(2, prefix="kept"))
    partition = next(root.glob("date=*/source=*"))
    left_by_the_killed = [partition / "part-x.parquet", partition / "part-y.parquet#1", root / "_delta_log/_commit.tmp"]
    for path in left_by_the_killed:
        path.write_text(SECRET)

    assert lake.forget(NOTES) >= 4
    lake.forget(NOTES)

    files = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET in str(path) or SECRET.encode() in path.read_bytes()] == []
    assert lake.read(NOTES).num_rows == 2
    lake.append(NOTES, notes(1, prefix="more"))
    assert lake.read(NOTES).num_rows == 3


def test_the_state_of_a_table_changes_with_each_commit_and_with_another_table_in_its_place(lake: Lake) -> None:
    seen = [lake.state(NOTES)]
    lake.replace(NOTES, DAY, "blog", notes(3))
    seen.append(lake.state(NOTES))
    lake.replace(NOTES, DAY, "blog", notes(3))
    assert lake.state(NOTES) == seen[-1], "nothing was committed"
    lake.replace(NOTES, DAY, "blog", notes(4))
    seen.append(lake.state(NOTES))
    shutil.rmtree(lake.table_uri(NOTES))
    lake.replace(NOTES, DAY, "blog", notes(3))
    lake.replace(NOTES, DAY, "blog", notes(4))
    seen.append(lake.state(NOTES))
    assert seen[0] is None
    assert len(set(seen)) == 4


def test_a_local_lake_is_its_users_alone_unless_somebody_else_made_it(tmp_path: Path) -> None:
    Lake(tmp_path / "lake").replace(NOTES, DAY, "blog", notes(1))
    assert (tmp_path / "lake").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o750)
    Lake(tmp_path / "shared").replace(NOTES, DAY, "blog", notes(1))
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o750
