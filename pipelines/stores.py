"""Builds what the assets work with from the settings; free of Dagster, so that commands start fast."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from assets.lake import Lake
from assets.retention.times import Retention
from assets.stores import Progress, Stores, no_progress
from pipelines.settings import PipelineSettings


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def build_stores(
    settings: PipelineSettings, *, clock: Callable[[], datetime] = utc_now, progress: Progress = no_progress
) -> Stores:
    """Stores for these settings; nothing is opened yet."""
    return Stores(
        settings=settings,
        inbox=settings.inbox,
        lake=Lake(settings.lake_uri),
        clock=clock,
        owner_dsn=settings.owner_dsn.get_secret_value() if settings.owner_dsn else None,
        limits=settings.limits,
        readers=settings.readers,
        removal_share=settings.removal_share,
        keep_releases=settings.keep_releases,
        retention=Retention(
            bronze=settings.retention_bronze_days,
            text=settings.retention_text_days,
            quarantine=settings.retention_quarantine_days,
            history=settings.retention_history_days,
        ),
        runs_keep_days=settings.runs_keep_days,
        due_ahead_days=settings.due_ahead_days,
        audit_keep_days=settings.audit_keep_days,
        bronze_keys=settings.bronze_keys.get_secret_value() if settings.bronze_keys else None,
        pseudonym_keys=settings.pseudonym_keys.get_secret_value() if settings.pseudonym_keys else None,
        presidio=settings.presidio,
        recognizers=settings.recognizers,
        names_de=settings.names_de,
        names_en=settings.names_en,
        golden=settings.golden,
        progress=progress,
    )
