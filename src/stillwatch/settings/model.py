"""The settings of a run, each with its default, its range and its meaning."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stillwatch.errors import UsageError

__all__ = ["Settings", "load_settings"]

_MIB = 1024 * 1024


class Settings(BaseSettings):
    """Everything that a run can be told; frozen once read.

    Read from keyword arguments (flags), then ``STILLWATCH_*`` environment variables, then a TOML
    file (``stillwatch.toml`` in the working directory, or the file that ``STILLWATCH_CONFIG`` names).
    """

    model_config = SettingsConfigDict(frozen=True, env_prefix="STILLWATCH_", extra="forbid")
    _file: ClassVar[Path | None] = None

    engine: str = Field("duckdb", description="engine for the table work: duckdb, or spark (the extra"
                        " stillwatch[spark], with Java 17)")
    spark_master: str = Field("local[*]", min_length=1, description="where the engine spark runs: the URL of a Spark"
                              " master, or local[N] for N threads of this machine")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of every randomised step")
    threads: int = Field(0, ge=0, le=1024, description="threads of the engine, and processes that make decoys;"
                         " 0 for one per core")
    memory: str | None = Field(None, pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$", description="memory limit of the"
                               " engine, such as 4GB; the engine's own default where not given")
    batch_rows: int = Field(65_536, ge=1, le=10_000_000, description="records read and reduced at a time")
    max_record_bytes: int = Field(32 * _MIB, ge=1024, le=1024 * _MIB,
                                  description="longest record that is read; longer ones are quarantined")
    max_expansion: float = Field(500.0, ge=10, description="a compressed file that expands by more than this"
                                 " factor, once past 1 GiB, is given up")
    decoys: int = Field(100, ge=0, le=100_000, description="most decoy data sets behind every q-value; fewer are"
                        " made where they decide as well")
    decoy_seconds: float = Field(1800.0, gt=0, description="time budget for decoys; fewer are made when it"
                                 " runs out, and the findings say so")
    look_seconds: float = Field(300.0, ge=0, description="time budget for finding since when each detection could"
                                " have been reported, by scanning what there was at the end of each day; 0 for none;"
                                " where it runs out the findings say so")
    prior: float = Field(0.05, gt=0, lt=1, description="prior probability that a group of linked accounts is"
                         " a distillation campaign; by default about the share among the simulated groups that"
                         " probabilities are conditional on")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the file."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if cls._file is not None:
            sources += (TomlConfigSettingsSource(settings_cls, toml_file=cls._file),)
        return sources


def load_settings(**flags: Any) -> Settings:
    """Read the settings; flags that are ``None`` count as not given.

    Raises ``UsageError`` that names the setting, where its value came from being wrong in, and its range.
    """
    named = os.environ.get("STILLWATCH_CONFIG")
    file = Path(named) if named else Path("stillwatch.toml")
    if named and not file.is_file():
        raise UsageError(f"settings file {named} does not exist", remedy="correct or unset STILLWATCH_CONFIG")
    settings = type("Settings", (Settings,), {"_file": file if file.is_file() else None,
                                              "__doc__": Settings.__doc__})
    try:
        read: Settings = settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"setting {name}: {first['msg'].lower()}",
            remedy=f"give it as --{name.replace('_', '-')}, STILLWATCH_{name.upper()} or in {file}",
        ) from error
    return read
