"""Property tests give the same verdict on every machine: fixed examples, and no deadline on a busy one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
