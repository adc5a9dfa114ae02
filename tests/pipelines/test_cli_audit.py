"""`knowledge audit` on a home: seal, verify, and the day that somebody tampered with."""

from __future__ import annotations

import psycopg

from retrieval.schema.migrate import OWNER
from retrieval.server import EmbeddedServer
from tests.pipelines.conftest import Place


def test_sealing_and_verifying_a_log(ingested: Place) -> None:
    empty = ingested.json("audit", "verify")
    assert (empty["problems"], empty["sealed_to"]) == ([], None)
    server = EmbeddedServer.attach(ingested.home)
    with psycopg.connect(server.dsn(OWNER), autocommit=True) as owner:
        owner.execute(
            "insert into knowledge.audit (at, request_id, tenant, principal, release, model, k, filters, hits, scores,"
            " timings, degraded) values (now() - interval '3 days', gen_random_uuid(), 1, 'p', 1, 'm', 1, '{}', '{}',"
            " '{}', '{}', false)"
        )
        sealed = ingested.json("audit", "seal")["sealed"]
        assert len(sealed) in (2, 3)  # yesterday is sealed an hour after midnight
        found = ingested.json("audit", "verify")
        assert (found["problems"], found["sealed_to"], found["days"]) == ([], sealed[-1], len(sealed))
        assert "Every row is as it was sealed." in ingested.run("audit", "verify", "--head", found["head"]).output
        owner.execute("update knowledge.audit set principal = 'q' where at < now() - interval '2 days'")
        tampered = ingested.run("audit", "verify")
        assert tampered.exit_code == 1
        assert f"{sealed[0]}: rows were changed since they were sealed" in tampered.output
        owner.execute("truncate knowledge.audit, knowledge.seal")
    assert (ingested.home / "keys" / "seal.key").stat().st_mode & 0o777 == 0o600
