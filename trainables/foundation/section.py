"""The base class of all configuration sections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of a configuration that refuses unknown keys, NaN and infinity.

    A field with another name than in older versions has that name as ``serialization_alias``: records and trial ids
    keep it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)
