"""Bronze as a log of the inbox: every change becomes one row, and nothing else does."""

import hashlib
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from assets.bronze.cache import HashCache
from assets.bronze.changes import Change, Held, Intake, Observation, RemovalLimit
from assets.bronze.contract import SOURCE_FILES
from assets.bronze.intake import intake_batches, plan_intake, state_of
from assets.bronze.observe import observe
from assets.bronze.scan import scan
from assets.errors import LakeConflictError
from assets.lake import Lake
from retrieval.errors import ConfigurationError

FULL = "tenant: nordwind\nroles: [sales]\nclearance: internal\n"
MONDAY = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LONG_AFTER_NS = 4_000_000_000 * 1_000_000_000
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class World:
    """An inbox, its bronze, and somebody who looks after both."""

    def __init__(self, root: Path) -> None:
        self.inbox = root / "inbox"
        self.lake = Lake(root / "lake")
        self.cache = HashCache(root / "cache.json")
        self.inbox.mkdir()

    def put(self, file: str, text: str = "x") -> Path:
        path = self.inbox / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def look(
        self,
        *,
        now_ns: int = LONG_AFTER_NS,
        settle_s: float = 0.0,
        max_bytes: int = 10_000,
        cache: HashCache | None = None,
    ) -> Observation:
        return observe(
            self.inbox,
            scan(self.inbox),
            cache=cache or self.cache,
            now_ns=now_ns,
            settle_s=settle_s,
            max_bytes=max_bytes,
        )

    def plan(self, *, removal_limit: RemovalLimit | None = None, max_bytes: int = 10_000) -> Intake:
        return plan_intake(self.look(max_bytes=max_bytes), state_of(self.lake), removal_limit=removal_limit)

    def take_in(self, plan: Intake | None = None, *, date: str = "2026-03-02") -> list[str]:
        plan = plan or self.plan()
        for batch in intake_batches(self.inbox, plan.changes, date=date, received_at=MONDAY):
            self.lake.append(SOURCE_FILES, batch.table)
        return [f"{change.path} {change.kind} {change.event}/{change.version}" for change in plan.changes]

    def rows(self, path: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = self.lake.read(SOURCE_FILES, where=pc.field("path") == path).to_pylist()
        return rows


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put("blog/_policy.yaml", FULL)
    return world


def test_a_new_file_becomes_a_row_with_everything_about_it(world: World) -> None:
    world.put("blog/_policy.yaml", FULL + "ttl: 30d\nmetadata: {language: de}\n")
    world.put("blog/Wärme.md", "# Wärme")

    assert world.take_in() == ["blog/Wärme.md content 1/1"]

    (row,) = world.rows("blog/Wärme.md")
    assert row == {
        "date": "2026-03-02",
        "source": "blog",
        "document_id": row["document_id"],
        "event": 1,
        "kind": "content",
        "version": 1,
        "path": "blog/Wärme.md",
        "sha256": hashlib.sha256("# Wärme".encode()).hexdigest(),
        "size": 8,
        "content": "# Wärme".encode(),
        "media_type": "text/markdown",
        "tenant": "nordwind",
        "roles": ["sales"],
        "clearance": "internal",
        "ttl_days": 30,
        "refresh": None,
        "emptied_at": None,
        "purged_at": None,
        "defaults": '{"language": "de"}',
        "rules": "{}",
        "policy_error": None,
        "policy_detail": None,
        "received_at": MONDAY,
    }


def test_a_change_of_the_rules_reads_the_file_anew(world: World) -> None:
    world.put("blog/a.md")
    world.take_in()
    world.put("blog/_policy.yaml", FULL + "readable_names: [Aylin Demir]\n")

    assert world.take_in() == ["blog/a.md content 2/1"]
    assert world.rows("blog/a.md")[1]["rules"] == '{"readable_names": ["Aylin Demir"]}'
    assert world.take_in() == []


def test_rows_without_rules_say_nothing_about_reading(world: World) -> None:
    world.put("blog/a.md")
    batch = next(intake_batches(world.inbox, world.plan().changes, date="2026-03-02", received_at=MONDAY))
    column = SOURCE_FILES.schema.get_field_index("rules")
    world.lake.append(SOURCE_FILES, batch.table.set_column(column, "rules", pa.nulls(1, pa.string())))

    assert world.take_in() == []


def test_a_second_look_finds_nothing_to_do(world: World) -> None:
    world.put("blog/a.md")
    world.put("document/uncovered.md")
    world.put("stray.md")
    world.take_in()

    plan = world.plan()

    assert (plan.changes, plan.unchanged) == ((), 3)
    assert world.take_in(plan) == []


def test_edits_are_new_versions_and_going_back_is_one_too(world: World) -> None:
    done = []
    for text in ("one", "two", "one"):
        world.put("blog/a.md", text)
        done += world.take_in()

    assert done == ["blog/a.md content 1/1", "blog/a.md content 2/2", "blog/a.md content 3/3"]
    assert [row["content"] for row in world.rows("blog/a.md")] == [b"one", b"two", b"one"]


def test_the_same_bytes_under_another_time_are_nothing(world: World) -> None:
    path = world.put("blog/a.md")
    world.take_in()
    os.utime(path, ns=(10**18, 10**18))

    assert world.take_in() == []


def test_removing_and_restoring_a_file_keeps_its_version(world: World) -> None:
    path = world.put("blog/a.md", "text")
    world.take_in()
    path.unlink()
    assert world.take_in() == ["blog/a.md removed 2/1"]
    assert world.take_in() == []
    world.put("blog/a.md", "text")

    assert world.take_in() == ["blog/a.md content 3/1"]
    rows = world.rows("blog/a.md")
    assert [row["content"] for row in rows] == [b"text", None, b"text"]
    assert [row["tenant"] for row in rows] == ["nordwind"] * 3


def test_a_file_restored_with_other_bytes_is_a_new_version(world: World) -> None:
    world.put("blog/a.md", "text").unlink()
    world.put("blog/a.md", "text")
    world.take_in()
    (world.inbox / "blog/a.md").unlink()
    world.take_in()
    world.put("blog/a.md", "other")

    assert world.take_in() == ["blog/a.md content 3/2"]


@pytest.mark.parametrize(
    "policy",
    [
        FULL.replace("sales", "service"),
        FULL.replace("internal", "restricted"),
        FULL + "ttl: 1y\n",
    ],
)
def test_who_may_see_it_is_an_access_event_without_bytes(world: World, policy: str) -> None:
    world.put("blog/a.md")
    world.take_in()
    world.put("blog/_policy.yaml", policy)

    assert world.take_in() == ["blog/a.md access 2/1"]
    assert world.take_in() == []
    first, second = world.rows("blog/a.md")
    assert second["content"] is None
    assert second["sha256"] == first["sha256"]
    assert (second["roles"], second["clearance"], second["ttl_days"]) != (
        first["roles"],
        first["clearance"],
        first["ttl_days"],
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("blog/_policy.yaml", FULL.replace("nordwind", "lindqvist")),
        ("blog/_policy.yaml", FULL + "metadata: {language: en}\n"),
        ("blog/_policy.yaml", "tenant: ???\n"),
        ("blog/_policy.yaml", "tenant: nordwind\n"),
        ("blog/a.md.yaml", "title: T\n"),
        ("blog/_policy.yaml", FULL.replace("sales", "hr") + "metadata: {language: en}\n"),
    ],
)
def test_what_decides_reading_is_a_content_event_of_the_same_version(world: World, file: str, text: str) -> None:
    world.put("blog/a.md", "bytes")
    world.take_in()
    world.put(file, text)

    assert world.take_in() == ["blog/a.md content 2/1"]
    assert world.take_in() == []
    assert [row["content"] for row in world.rows("blog/a.md")] == [b"bytes", b"bytes"]


def test_another_fault_in_a_broken_policy_is_told_anew(world: World) -> None:
    world.put("blog/a.md")
    world.put("blog/_policy.yaml", "tenant: ???\n")
    world.take_in()
    world.put("blog/_policy.yaml", "clearance: ???\n")
    assert world.take_in() == ["blog/a.md content 2/1"]
    world.put("blog/_policy.yaml", FULL)
    assert world.take_in() == ["blog/a.md content 3/1"]

    assert [row["policy_error"] for row in world.rows("blog/a.md")] == ["bad_policy", "bad_policy", None]


def test_a_files_own_access_is_kept_whether_it_is_read_or_remembered(world: World) -> None:
    world.put("blog/a.md", "---\naccess: {roles: [hr], clearance: restricted}\n---\nText")
    world.take_in()

    assert world.rows("blog/a.md")[0]["roles"] == ["hr"]
    assert world.look().read == 0
    assert world.take_in() == []
    assert plan_intake(world.look(cache=HashCache()), state_of(world.lake)).changes == ()


def test_refused_files_are_recorded_with_their_reason(world: World, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("secret")
    world.put("blog/large.md", "x" * 101)
    world.put("document/uncovered.md", "kept")
    world.put("stray.md", "kept too")
    (world.inbox / "blog/link.md").symlink_to(tmp_path / "outside.md")
    os.mkfifo(world.inbox / "blog/pipe.md")
    world.take_in(world.plan(max_bytes=100))

    rows = {row["path"]: row for row in world.lake.read(SOURCE_FILES).to_pylist()}

    assert {path: (row["policy_error"], row["content"]) for path, row in rows.items()} == {
        "blog/large.md": ("too_large", b""),
        "blog/link.md": ("link_outside", b""),
        "blog/pipe.md": ("unknown_format", b""),
        "document/uncovered.md": ("no_policy", b"kept"),
        "stray.md": ("outside_source", b"kept too"),
    }
    assert rows["blog/large.md"]["size"] == 101
    assert rows["blog/large.md"]["sha256"] == EMPTY_SHA256
    assert rows["blog/large.md"]["policy_detail"] == "larger than the limit of 100 bytes"


def test_a_file_that_grows_beyond_the_limit_and_shrinks_again_is_followed(world: World) -> None:
    done = []
    for size in (50, 200, 300, 50):
        world.put("blog/a.md", "x" * size)
        done += world.take_in(world.plan(max_bytes=100))

    assert done == ["blog/a.md content 1/1", "blog/a.md content 2/2", "blog/a.md content 3/3"]


def test_files_and_policies_that_have_just_changed_are_left_for_the_next_time(world: World) -> None:
    now_ns = world.put("blog/new.md").stat().st_mtime_ns
    soon = world.look(now_ns=now_ns + 10**9, settle_s=5)
    assert (soon.files, soon.held) == ((), (Held("blog/new.md", "unsettled"),))

    later = world.look(now_ns=now_ns + 6 * 10**9, settle_s=5)
    assert [item.path for item in later.files] == ["blog/new.md"]
    os.utime(world.inbox / "blog/_policy.yaml", ns=(now_ns + 10 * 10**9,) * 2)

    assert world.look(now_ns=now_ns + 11 * 10**9, settle_s=5).held == (Held("blog/new.md", "unsettled"),)


def test_a_time_far_in_the_future_does_not_hold_a_file_for_ever(world: World) -> None:
    path = world.put("blog/new.md")
    now_ns = path.stat().st_ctime_ns + 60 * 10**9
    os.utime(path, ns=(now_ns + 10**15,) * 2)

    assert len(world.look(now_ns=now_ns, settle_s=5).files) == 1


def test_an_unsettled_file_that_is_known_is_not_taken_for_removed(world: World) -> None:
    now_ns = world.put("blog/a.md").stat().st_mtime_ns
    world.take_in()

    plan = plan_intake(world.look(now_ns=now_ns, settle_s=5), state_of(world.lake))

    assert (plan.changes, plan.held) == ((), (Held("blog/a.md", "unsettled"),))


def test_files_in_a_folder_that_cannot_be_read_are_not_taken_for_removed(world: World) -> None:
    world.put("blog/closed/a.md")
    world.put("blog/closed.md")
    world.take_in()
    held = (Held("blog/closed", "unreadable"),)

    plan = plan_intake(Observation((), held), state_of(world.lake))

    assert [change.path for change in plan.changes] == ["blog/closed.md"]


def test_a_file_that_changes_between_scan_and_reading_is_left_for_the_next_time(world: World) -> None:
    path = world.put("blog/a.md", "one")
    found = scan(world.inbox)
    path.write_text("longer")

    observation = observe(world.inbox, found, cache=world.cache, now_ns=LONG_AFTER_NS)

    assert observation.held == (Held("blog/a.md", "unsettled"),)


@pytest.mark.parametrize("change", [lambda p: p.write_text("new"), lambda p: p.unlink()])
def test_a_file_that_changes_after_the_plan_is_left_for_the_next_time(
    world: World, change: Callable[[Path], None]
) -> None:
    path = world.put("blog/a.md", "one")
    world.put("blog/b.md", "two")
    plan = world.plan()
    change(path)

    (batch,) = intake_batches(world.inbox, plan.changes, date="2026-03-02", received_at=MONDAY)

    assert batch.table.column("path").to_pylist() == ["blog/b.md"]
    assert batch.held == (Held("blog/a.md", "unsettled"),)


def test_a_file_swapped_for_a_link_after_the_scan_does_not_leak_what_it_points_to(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("x")
    path = world.put("blog/a.md", "x")
    found = scan(world.inbox)
    plan = world.plan()
    path.unlink()
    path.symlink_to(tmp_path / "secret.md")

    assert observe(world.inbox, found, cache=HashCache(), now_ns=0).files == ()
    (batch,) = intake_batches(world.inbox, plan.changes, date="2026-03-02", received_at=MONDAY)
    assert batch.table.num_rows == 0


def test_removals_beyond_the_limit_are_held_back_and_named(world: World) -> None:
    files = [world.put(f"blog/{number}.md") for number in range(10)]
    world.take_in()
    for path in files[:6]:
        path.unlink()
    world.put("blog/new.md")

    plan = world.plan(removal_limit=RemovalLimit(share=0.5, count=5))
    assert plan.withheld == tuple(f"blog/{number}.md" for number in range(6))
    assert [change.path for change in plan.changes] == ["blog/new.md"]

    for limit in (RemovalLimit(share=0.6, count=5), RemovalLimit(share=0.5, count=6), None):
        plan = world.plan(removal_limit=limit)
        assert plan.withheld == ()
        assert len(plan.changes) == 7


def test_unchanged_files_are_not_read_again(world: World) -> None:
    for number in range(5):
        world.put(f"blog/{number}.md", str(number))
    assert world.look().read == 5
    assert world.look().read == 0
    world.put("blog/3.md", "changed")

    assert world.look().read == 1


def test_a_change_that_keeps_size_and_time_is_noticed(world: World) -> None:
    path = world.put("blog/a.md", "one")
    stamp = path.stat().st_mtime_ns
    world.take_in()
    path.write_text("two")
    os.utime(path, ns=(stamp, stamp))

    assert world.take_in() == ["blog/a.md content 2/2"]


def test_rows_come_in_batches_of_bounded_size(world: World) -> None:
    for number in range(7):
        world.put(f"blog/{number}.md", "x" * 100)
    plan = world.plan()

    def sizes(**limits: int) -> list[int]:
        batches = intake_batches(world.inbox, plan.changes, date="2026-03-02", received_at=MONDAY, **limits)
        return [batch.table.num_rows for batch in batches]

    assert sizes() == [7]
    assert sizes(batch_bytes=250) == [3, 3, 1]
    assert sizes(batch_rows=2) == [2, 2, 2, 1]


def test_a_plan_cannot_be_carried_out_twice(world: World) -> None:
    world.put("blog/a.md")
    plan = world.plan()
    world.take_in(plan)

    with pytest.raises(LakeConflictError):
        world.take_in(plan)
    assert len(world.rows("blog/a.md")) == 1


def test_a_run_cut_short_between_batches_is_finished_by_the_next(world: World) -> None:
    for number in range(4):
        world.put(f"blog/{number}.md")
    batches = intake_batches(world.inbox, world.plan().changes, date="2026-03-02", received_at=MONDAY, batch_rows=3)
    world.lake.append(SOURCE_FILES, next(batches).table)

    assert world.take_in() == ["blog/3.md content 1/1"]


def test_one_source_can_be_looked_at_alone(world: World) -> None:
    world.put("blog/a.md")
    world.put("podcast/b.vtt")
    world.take_in()
    (world.inbox / "blog/a.md").unlink()
    (world.inbox / "podcast/b.vtt").unlink()
    found = [item for item in scan(world.inbox) if item.source == "blog"]

    observation = observe(world.inbox, found, cache=world.cache, now_ns=LONG_AFTER_NS)
    plan = plan_intake(observation, state_of(world.lake, ["blog"]))

    assert [change.path for change in plan.changes] == ["blog/a.md"]
    assert set(state_of(world.lake)) == {"blog/a.md", "podcast/b.vtt"}


def test_bronze_never_written_has_no_states(world: World) -> None:
    assert state_of(world.lake) == {}


def test_the_state_is_the_latest_row_whatever_its_partition(world: World) -> None:
    world.put("blog/a.md", "one")
    world.take_in(date="2026-03-09")
    world.put("blog/a.md", "two")
    world.take_in(date="2026-03-01")

    assert (state_of(world.lake)["blog/a.md"].event, state_of(world.lake)["blog/a.md"].version) == (2, 2)


def test_an_inbox_that_is_gone_is_no_empty_one(world: World) -> None:
    world.put("blog/a.md")
    world.take_in()
    world.inbox.rename(world.inbox.with_name("elsewhere"))

    with pytest.raises(ConfigurationError, match="KNOWLEDGE_INBOX"):
        world.plan()


def test_files_dropped_in_another_order_give_the_same_tables(tmp_path: Path) -> None:
    tables = []
    for seed in (1, 2):
        world = World((tmp_path / str(seed)).absolute()) if (tmp_path / str(seed)).mkdir() is None else None
        assert world is not None
        files = [(f"blog/{n}.md", f"text {n}") for n in range(6)] + [("blog/_policy.yaml", FULL)]
        random.Random(seed).shuffle(files)
        for file, text in files:
            world.put(file, text)
        world.take_in()
        tables.append(world.lake.read(SOURCE_FILES))

    assert tables[0].equals(tables[1])


class Editors(RuleBasedStateMachine):
    """People do anything to an inbox; bronze's states always equal what lies there, and its log is gapless."""

    FILES = ("blog/a.md", "blog/b.md", "blog/sub/a.md")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.texts: dict[str, str] = {}

    @rule(file=st.sampled_from(FILES), text=st.sampled_from(["", "one", "two"]))
    def write(self, file: str, text: str) -> None:
        self.world.put(file, text)
        self.texts[file] = text

    @rule(file=st.sampled_from(FILES))
    def delete(self, file: str) -> None:
        (self.world.inbox / file).unlink(missing_ok=True)
        self.texts.pop(file, None)

    @rule(
        folder=st.sampled_from(["", "blog/sub/"]), text=st.sampled_from([FULL, FULL + "ttl: 9\n", "tenant: a\n", "?"])
    )
    def set_policy(self, folder: str, text: str) -> None:
        self.world.put(f"{folder}_policy.yaml", text)

    @rule()
    def lose_cache(self) -> None:
        self.world.cache = HashCache()

    @rule()
    def take_in(self) -> None:
        self.world.take_in()

    @invariant()
    def bronze_follows(self) -> None:
        self.world.take_in()
        states = state_of(self.world.lake)
        alive = {path: state for path, state in states.items() if state.kind != "removed"}
        assert {path: state.sha256 for path, state in alive.items()} == {
            path: hashlib.sha256(text.encode()).hexdigest() for path, text in self.texts.items()
        }
        rows: pa.Table = self.world.lake.read(SOURCE_FILES, ["path", "event", "version", "kind", "content", "sha256"])
        for path in states:
            log = [row for row in rows.to_pylist() if row["path"] == path]
            assert [row["event"] for row in log] == list(range(1, len(log) + 1))
            for row in log:
                if row["kind"] == "content":
                    assert hashlib.sha256(row["content"]).hexdigest() == row["sha256"]
            for before, after in pairwise(log):
                assert after["version"] - before["version"] == (after["sha256"] != before["sha256"])
        assert self.world.take_in() == []

    def teardown(self) -> None:
        self.folder.cleanup()


TestEditors = Editors.TestCase
TestEditors.settings = settings(max_examples=12, stateful_step_count=8, deadline=None)


def test_a_change_knows_the_bytes_it_was_planned_for(world: World) -> None:
    world.put("blog/a.md", "one")

    (change,) = world.plan().changes

    assert isinstance(change, Change)
    assert (change.kind, change.loaded, change.sha256) == ("content", True, hashlib.sha256(b"one").hexdigest())
