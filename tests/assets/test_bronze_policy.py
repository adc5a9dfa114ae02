"""Access policies: nearest wins key by key, and whatever is missing or unclear rejects the file."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.bronze.cache import Fingerprint, HashCache
from assets.bronze.policy import OwnAccess, Policies, Policy, PolicyProblem, own_access
from assets.bronze.scan import Found

FULL = "tenant: nordwind\nroles: [sales]\nclearance: internal\n"
MARKER = "geheimwort"


class Inbox:
    """An inbox under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, file: str, text: str | bytes = "x") -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def resolve(self, file: str) -> Policy | PolicyProblem:
        content = (self.root / file).read_bytes()
        return Policies(self.root).resolve(file, own_access(content, file, whole=True))

    def policy(self, file: str) -> Policy:
        policy = self.resolve(file)
        assert isinstance(policy, Policy), policy
        return policy

    def problem(self, file: str) -> PolicyProblem:
        problem = self.resolve(file)
        assert isinstance(problem, PolicyProblem), problem
        return problem


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    inbox = Inbox(tmp_path)
    inbox.put("blog/a/b/file.md", "# Hallo")
    return inbox


def test_a_folder_policy_covers_everything_below(inbox: Inbox) -> None:
    inbox.put(
        "blog/_policy.yaml", "tenant: nordwind\nroles: [service, sales, service]\nclearance: internal\nttl: 12w\n"
    )

    policy = inbox.policy("blog/a/b/file.md")

    assert policy == Policy("nordwind", ("sales", "service"), "internal", 84, {})


def test_the_nearest_wins_key_by_key(inbox: Inbox) -> None:
    inbox.put("_policy.yaml", "tenant: nordwind\nttl: 1y\nmetadata: {language: de, tags: [a], mood: calm}\n")
    inbox.put("blog/_policy.yaml", "roles: [everyone]\nclearance: public\nmetadata: {tags: [b, c]}\n")
    inbox.put("blog/a/b/_policy.yaml", "clearance: restricted\nttl: never\n")

    policy = inbox.policy("blog/a/b/file.md")

    assert policy == Policy(
        "nordwind", ("everyone",), "restricted", None, {"language": "de", "tags": ["b", "c"], "mood": "calm"}
    )


def test_front_matter_outranks_folders_and_the_sidecar_outranks_both(inbox: Inbox) -> None:
    inbox.put("blog/_policy.yaml", FULL)
    inbox.put("blog/f.md", "---\ntitle: T\naccess:\n  roles: [hr]\n  clearance: confidential\n---\nText")
    assert inbox.policy("blog/f.md").roles == ("hr",)

    inbox.put("blog/f.md.yaml", "access: {roles: [management]}\n")
    assert inbox.policy("blog/f.md") == Policy("nordwind", ("management",), "confidential")


def test_a_sidecar_gives_metadata_of_its_own(inbox: Inbox) -> None:
    inbox.put("blog/_policy.yaml", FULL + "metadata: {language: de}\n")
    inbox.put("blog/f.vtt", "WEBVTT")
    inbox.put(
        "blog/f.vtt.yaml",
        "title: Folge 1\nauthors: Ada\ntags: [x, 2026]\npublished: 2026-01-02\nlanguage: en\nurl: https://example.org/1\n",
    )

    policy = inbox.policy("blog/f.vtt")

    assert policy.defaults == {
        "language": "de",
        "sidecar": {
            "title": "Folge 1",
            "authors": ["Ada"],
            "tags": ["x", "2026"],
            "published": "2026-01-02",
            "language": "en",
            "url": "https://example.org/1",
        },
    }
    assert json.loads(policy.defaults_json) == policy.defaults


def test_readable_names_add_up_from_the_tenant_to_the_folder(inbox: Inbox) -> None:
    inbox.put("_policy.yaml", "tenant: nordwind\nreadable_names: [Aylin Demir, '/Prof\\. .+/']\n")
    inbox.put("blog/_policy.yaml", "roles: [everyone]\nclearance: public\nreadable_names: [Jonas Weber]\n")

    assert inbox.policy("blog/a/b/file.md").rules == {"readable_names": ["/Prof\\. .+/", "Aylin Demir", "Jonas Weber"]}
    rules = inbox.policy("blog/a/b/file.md").rules_json
    assert json.loads(rules) == {"readable_names": ["/Prof\\. .+/", "Aylin Demir", "Jonas Weber"]}


def test_a_nearer_folder_makes_protection_stricter_and_never_milder(inbox: Inbox) -> None:
    inbox.put("_policy.yaml", "tenant: nordwind\nscreening: quarantine\nallowed_sources: [blog, acme.example]\n")
    inbox.put(
        "blog/_policy.yaml",
        "roles: [everyone]\nclearance: public\nscreening: flag\nallowed_sources: [blog/acme]\n"
        "keep_out_of_index: [restricted]\n",
    )
    inbox.put("blog/a/_policy.yaml", "keep_out_of_index: [pii, flagged]\n")

    assert inbox.policy("blog/a/b/file.md").rules == {
        "screening": "quarantine",
        "allowed_sources": [["acme.example", "blog"], ["blog/acme"]],
        "keep_out_of_index": ["flagged", "pii", "restricted"],
    }


@pytest.mark.parametrize("key", ["readable_names: [/./]", "screening: flag", "keep_out_of_index: [pii]"])
def test_a_file_cannot_set_what_protects_from_it(inbox: Inbox, key: str) -> None:
    inbox.put("_policy.yaml", "tenant: nordwind\nroles: [everyone]\nclearance: public\n")
    inbox.put("blog/f.md", f"---\naccess: {{{key}}}\n---\nText")

    problem = inbox.resolve("blog/f.md")

    assert isinstance(problem, PolicyProblem)
    assert problem.code == "bad_policy"


@pytest.mark.parametrize(
    "line", ["screening: maybe", "allowed_sources: blog", "allowed_sources: []", "keep_out_of_index: [secret]"]
)
def test_unusable_protection_refuses_the_files_it_covers(inbox: Inbox, line: str) -> None:
    inbox.put("_policy.yaml", f"tenant: nordwind\nroles: [everyone]\nclearance: public\n{line}\n")
    inbox.put("blog/f.md", "Text")

    problem = inbox.resolve("blog/f.md")

    assert isinstance(problem, PolicyProblem)
    assert line.partition(":")[0] in (problem.detail or "")


@pytest.mark.parametrize(
    "value", [MARKER, f"[{MARKER}, 7]", "[]", f"['/{MARKER}(/']", f"['/({MARKER}+)+/']", "['/.*/']", f"['{'x' * 201}']"]
)
def test_unusable_readable_names_reject_what_they_cover(inbox: Inbox, value: str) -> None:
    inbox.put("_policy.yaml", FULL + f"readable_names: {value}\n")

    problem = inbox.problem("blog/a/b/file.md")

    assert problem.code == "bad_policy"
    assert "readable_names" in problem.detail
    assert MARKER not in problem.detail


def test_defaults_are_written_the_same_whatever_the_order(inbox: Inbox) -> None:
    inbox.put("blog/_policy.yaml", FULL + "metadata: {b: 1, a: ü}\n")
    one = inbox.policy("blog/a/b/file.md").defaults_json
    inbox.put("blog/_policy.yaml", "metadata: {a: ü, b: 1}\n" + FULL)

    assert inbox.policy("blog/a/b/file.md").defaults_json == one == '{"a": "ü", "b": 1}'


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (None, "tenant, roles, clearance"),
        ("tenant: nordwind\n", "roles, clearance"),
        ("tenant: nordwind\nroles: [everyone]\n", "clearance"),
        ("roles: [everyone]\nclearance: public\n", "tenant"),
        ("metadata: {language: de}\n", "tenant, roles, clearance"),
    ],
)
def test_access_that_is_not_given_in_full_rejects_the_file(inbox: Inbox, text: str | None, missing: str) -> None:
    if text is not None:
        inbox.put("blog/_policy.yaml", text)

    problem = inbox.problem("blog/a/b/file.md")

    assert problem.code == "no_policy"
    assert problem.detail == f"blog/a/b/file.md: {missing} given nowhere"


BROKEN = [
    ("role: [sales]\n", "unknown key role"),
    (f"{MARKER} das hier ist Text: 1\n", "unknown key that is no name"),
    (f"tenant: {MARKER} GmbH\n", "tenant must be"),
    ("tenant: 12\n", "tenant must be"),
    ("tenant:\n", "tenant must be"),
    (f"roles: {MARKER}\n", "roles must be"),
    ("roles: []\n", "roles must be"),
    ("roles: [1]\n", "roles must be"),
    ("roles: ['']\n", "roles must be"),
    ("roles: [' sales']\n", "roles must be"),
    ("roles: {sales: yes}\n", "roles must be"),
    (f"clearance: {MARKER}\n", "clearance must be one of public"),
    ("clearance: [public]\n", "clearance must be one of public"),
    ("clearance: Public\n", "clearance must be one of public"),
    ("ttl: 0\n", "ttl must be"),
    ("ttl: -3\n", "ttl must be"),
    ("ttl: 1.5\n", "ttl must be"),
    ("ttl: true\n", "ttl must be"),
    ("ttl: 6 months\n", "ttl must be"),
    ("ttl: 101y\n", "ttl must be"),
    ("ttl:\n", "ttl must be"),
    ("metadata: [a]\n", "metadata must hold"),
    ("metadata: {sidecar: x}\n", "metadata has a key sidecar"),
    ("metadata: {tags: {a: b}}\n", "metadata tags must be"),
    ("metadata: {tags: }\n", "metadata tags must be"),
    ("clearance: public\nclearance: restricted\n", "clearance is given twice"),
    ("metadata: {a: 1, a: 2}\n", "a is given twice"),
    ("", "is empty"),
    ("# nothing yet\n", "is empty"),
    ("- tenant\n", "not a list of keys"),
    (f"tenant: [{MARKER}\n", "cannot be understood"),
    ("roles: &r [sales]\nmetadata: {a: *r}\n", "aliases are not allowed"),
    ("metadata: " + "[" * 5000 + "]" * 5000, "nested deeper"),
    ("tenant: !!python/object/apply:os.getcwd []\n", "cannot be understood"),
    (f"#{'x' * 70_000}\n{FULL}", "is larger than 64 KiB"),
]


def test_everything_wrong_in_a_policy_is_said_at_once(inbox: Inbox) -> None:
    inbox.put("blog/_policy.yaml", "role: [sales]\nteam: a\ntenant: 12\nroles: [sales]\nttl: 0\n")

    detail = inbox.problem("blog/a/b/file.md").detail

    assert "unknown keys role, team (known:" in detail
    assert "; tenant must be" in detail
    assert "; ttl must be" in detail
    assert "roles must be" not in detail


@pytest.mark.parametrize(("text", "said"), BROKEN, ids=[str(number) for number in range(len(BROKEN))])
def test_a_broken_policy_rejects_even_where_a_nearer_one_says_everything(inbox: Inbox, text: str, said: str) -> None:
    inbox.put("blog/_policy.yaml", text)
    inbox.put("blog/a/b/_policy.yaml", FULL)

    problem = inbox.problem("blog/a/b/file.md")

    assert problem.code == "bad_policy"
    assert problem.detail.startswith("blog/_policy.yaml: ")
    assert said in problem.detail
    assert MARKER not in problem.detail


def test_a_broken_policy_rejects_nothing_beside_it(inbox: Inbox) -> None:
    inbox.put("podcast/_policy.yaml", "nonsense")
    inbox.put("blog/_policy.yaml", FULL)

    assert inbox.policy("blog/a/b/file.md").tenant == "nordwind"


def test_a_policy_that_is_not_utf8_is_read_like_any_text(inbox: Inbox) -> None:
    inbox.put(
        "blog/_policy.yaml", "\ufefftenant: nordwind\nroles: [Geschäftsführung]\nclearance: public\n".encode("utf-16")
    )

    assert inbox.policy("blog/a/b/file.md").roles == ("Geschäftsführung",)


@pytest.mark.parametrize("name", ["_policy.yml", "_Policy.yaml", "_POLICY.YAML"])
def test_a_policy_under_a_wrong_name_is_not_passed_over(inbox: Inbox, name: str) -> None:
    inbox.put("_policy.yaml", FULL)
    inbox.put(f"blog/{name}", "clearance: restricted\n")

    assert inbox.problem("blog/a/b/file.md").detail == f"blog/{name}: the name must be _policy.yaml"


@pytest.mark.parametrize("ending", [".yml", ".YAML"])
def test_a_sidecar_under_a_wrong_name_is_not_passed_over(inbox: Inbox, ending: str) -> None:
    inbox.put("blog/_policy.yaml", FULL)
    inbox.put(f"blog/a/b/file.md{ending}", "access: {clearance: restricted}\n")

    assert inbox.problem("blog/a/b/file.md").detail == f"blog/a/b/file.md{ending}: the name must be file.md.yaml"


def test_a_policy_that_is_a_link_out_of_the_inbox_is_refused(
    inbox: Inbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "_policy.yaml"
    outside.write_text(FULL)
    (inbox.root / "blog/_policy.yaml").symlink_to(outside)

    assert inbox.problem("blog/a/b/file.md").detail == "blog/_policy.yaml: is no file of the inbox"


def test_a_policy_that_is_a_pipe_does_not_hang(inbox: Inbox) -> None:
    os.mkfifo(inbox.root / "blog/_policy.yaml")

    assert inbox.problem("blog/a/b/file.md").code == "bad_policy"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acess: {roles: [hr]}\n", "unknown key acess"),
        ("access:\n", "access must hold"),
        ("access: {metadata: {a: b}}\n", "unknown key metadata"),
        ("access: {clearance: secret}\n", "clearance must be"),
        ("title: []\n", "title must be a text"),
        ("tags: [[a]]\n", "tags must be a text or a list"),
        ("", "is empty"),
    ],
)
def test_a_broken_sidecar_rejects_its_file_only(inbox: Inbox, text: str, said: str) -> None:
    inbox.put("blog/_policy.yaml", FULL)
    inbox.put("blog/a/b/file.md.yaml", text)
    inbox.put("blog/a/b/other.md")

    problem = inbox.problem("blog/a/b/file.md")
    assert problem.code == "bad_policy"
    assert problem.detail.startswith("blog/a/b/file.md.yaml: ")
    assert said in problem.detail
    assert inbox.policy("blog/a/b/other.md").tenant == "nordwind"


FRONT_MATTER = {
    "yaml": '---\ntitle: T\naccess:\n  roles: ["hr"]\n  clearance: restricted\n---\n# T\n',
    "yaml after blank lines": '\n\n---\naccess: {roles: ["hr"], clearance: restricted}\n---\n# T\n',
    "windows line ends": '---\r\naccess:\r\n  roles: ["hr"]\r\n  clearance: restricted\r\n---\r\n# T\r\n',
    "invisible characters in the key": '---\nac\u200bcess: {roles: ["hr"], clearance: restricted}\n---\n# T\n',
    "escaped key": '---\n"\\u0061ccess": {roles: ["hr"], clearance: restricted}\n---\n# T\n',
    "toml": '+++\ntitle = "T"\n[access]\nroles = ["hr"]\nclearance = "restricted"\n+++\n# T\n',
    "json": '{"title": "T", "access": {"roles": ["hr"], "clearance": "restricted"}}\n# T\n',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", FRONT_MATTER.values(), ids=FRONT_MATTER.keys())
def test_front_matter_is_found_however_it_is_written(text: str, encoding: str) -> None:
    own = own_access((text + "Text und Text. " * 20).encode(encoding), "f.md", whole=True)

    assert own == OwnAccess({"roles": ("hr",), "clearance": "restricted"})


@pytest.mark.parametrize(
    "text",
    [
        "# No front matter\n\naccess: {roles: [hr]}\n",
        "---\n\nprose between rules, about access: nothing\n\n---\n",
        "---\ntitle: T\n---\naccess: {roles: [hr]}\n",
        "---\ntitle: [broken\naccess: {roles: [hr]}\n---\n",
        "%PDF-1.7",
    ],
)
def test_text_that_the_reader_does_not_take_for_front_matter_says_nothing(text: str) -> None:
    assert own_access(text.encode(), "f.md", whole=True) == OwnAccess()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\naccess: everyone\n---\n", "f.md: access must hold"),
        ("---\naccess:\n---\n", "f.md: access must hold"),
        ("---\naccess: {role: [a]}\n---\n", "f.md: unknown key role"),
        ("---\nAccess: {roles: [a]}\n---\n", "f.md: access must be written in lower case"),
        ('{"access": {"tenant": 5}}', "f.md: tenant must be"),
    ],
)
def test_front_matter_that_is_unclear_about_access_rejects_the_file(inbox: Inbox, text: str, said: str) -> None:
    own = own_access(text.encode(), "f.md", whole=True)
    assert own.problem is not None
    assert own.problem.startswith(said)

    inbox.put("blog/_policy.yaml", FULL)
    assert Policies(inbox.root).resolve("blog/a/b/file.md", own) == PolicyProblem("bad_policy", own.problem)


def test_front_matter_that_does_not_end_within_what_was_read_rejects_the_file() -> None:
    head = b"---\naccess: {roles: [hr]}\n" + b"more: text\n" * 100

    assert own_access(head, "f.md", whole=True) == OwnAccess()
    assert own_access(head, "f.md", whole=False).problem == "f.md: the front matter cannot be understood"


def test_a_long_file_is_judged_by_its_head() -> None:
    head = b"---\naccess: {roles: [hr]}\n---\n" + "Wärme\n".encode() * 100

    assert own_access(head[:-2], "f.md", whole=False) == OwnAccess({"roles": ("hr",)})


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"---\n{text}\n---\n".encode()))
def test_no_content_makes_reading_access_fail(content: bytes) -> None:
    own_access(content, "f.md", whole=True)
    own_access(content, "f.md", whole=False)


def test_when_a_policy_changed_is_known(inbox: Inbox) -> None:
    inbox.put("blog/_policy.yaml", FULL)
    inbox.put("blog/a/b/file.md.yaml", "title: T\n")
    policies = Policies(inbox.root)

    changed = max((inbox.root / name).stat().st_ctime_ns for name in ("blog/_policy.yaml", "blog/a/b/file.md.yaml"))
    assert policies.changed_ns("blog/a/b/file.md") == changed
    assert policies.changed_ns("podcast/x.vtt") == 0


FOUND = Found("blog/f.md", "blog/f.md", "blog", size=3, mtime_ns=10**18, ctime_ns=10**18, inode=7)
PRINT = Fingerprint("0" * 64, OwnAccess({"roles": ("a", "b"), "ttl": None}, None))
LATER = 10**18 + 3 * 10**9


def test_the_cache_remembers_what_a_file_said_about_access(tmp_path: Path) -> None:
    cache = HashCache(tmp_path / "deep" / "cache.json")
    cache.put(FOUND, PRINT, read_at_ns=LATER)
    cache.save()

    assert HashCache(tmp_path / "deep" / "cache.json").get(FOUND) == PRINT


@pytest.mark.parametrize("change", [{"size": 4}, {"mtime_ns": 1}, {"ctime_ns": 1}, {"inode": 8}, {"path": "blog/g.md"}])
def test_the_cache_knows_exactly_one_state_of_a_file(change: dict[str, object]) -> None:
    cache = HashCache()
    cache.put(FOUND, PRINT, read_at_ns=LATER)

    assert cache.get(FOUND) == PRINT
    assert cache.get(replace(FOUND, **change)) is None  # type: ignore[arg-type]


def test_the_cache_does_not_trust_a_file_that_had_just_changed() -> None:
    cache = HashCache()
    cache.put(FOUND, PRINT, read_at_ns=10**18 + 10**9)

    assert cache.get(FOUND) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": "intake/1"}', None])
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "cache.json"
    cache = HashCache(path)
    cache.put(FOUND, PRINT, read_at_ns=LATER)
    cache.save()
    path.write_bytes(path.read_bytes().replace(b"000", b"111") if damage is None else damage)

    assert HashCache(path).get(FOUND) is None
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_forgets_files_that_are_gone() -> None:
    cache = HashCache()
    for path in ("blog/f.md", "blog/g.md", "podcast/h.vtt"):
        cache.put(replace(FOUND, path=path), PRINT, read_at_ns=LATER)
    cache.forget_others([FOUND])

    known = [p for p in ("blog/f.md", "blog/g.md", "podcast/h.vtt") if cache.get(replace(FOUND, path=p))]
    assert known == ["blog/f.md", "podcast/h.vtt"]
