"""Schedules: expiry is told to the index every night, and carried out behind it; the audit log is sealed."""

from __future__ import annotations

import dagster as dg

from pipelines.audit import audit
from pipelines.expiry import expiry
from pipelines.jobs import publish

# A passage past its time is invisible at once, by the policy of its row. The nightly release takes it out of the
# counts and lists of later releases, the purge an hour later deletes it.
nightly_publish = dg.ScheduleDefinition(
    name="nightly_publish",
    job=publish,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="A release without what has expired; none is written where nothing has.",
)

nightly_expiry = dg.ScheduleDefinition(
    name="nightly_expiry",
    job=expiry,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes expired passages and releases that are no longer kept.",
)

nightly_audit = dg.ScheduleDefinition(
    name="nightly_audit",
    job=audit,
    cron_schedule="15 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Seals the day before, makes partitions ahead and drops months past their time.",
)
