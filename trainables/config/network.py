"""The ``network`` section: the network to modulate and its start weights. Does not import torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, model_validator

from trainables.foundation.files import file_hash
from trainables.foundation.section import Section

CONTENT_PATTERN = "^[0-9a-f]{32}$"


class WeightsConfig(Section):
    """A local file of start weights (safetensors or a torch state dict) and its expected hash.

    ``content`` is the hash returned by ``content_hash``; None accepts any content.
    """

    path: Path
    content: str | None = Field(None, pattern=CONTENT_PATTERN)


class NetworkConfig(Section):
    """The network to modulate: a registered backbone by name, or a user network by import path.

    Registered: ``width`` scales the channels of every stage (rounded); ``embedding_size`` None uses the backbone's
    default.

    Imported (``backbone: "module:function"``): the function receives ``arguments`` and returns an ``nn.Module``;
    ``points`` are names of its modules; ``folder`` contains the Python module if it is not installed. Imported code is
    executed.

    ``batch_norm_momentum`` is the weight of the newest batch in the running statistics; None uses the network's value
    (simplenet 0.005 as released, which takes about a thousand steps to approach the data statistics; csn_resnet18 0.1).
    """

    backbone: str = "simplenet"
    width: float = Field(1.0, gt=0)
    embedding_size: int | None = Field(None, ge=1)
    batch_norm_momentum: float | None = Field(None, gt=0, le=1)
    weights: WeightsConfig | None = None
    arguments: dict[str, JsonValue] = Field({})
    points: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def imported(self) -> bool:
        """Whether ``backbone`` is an import path rather than a registered name."""
        return ":" in self.backbone

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> NetworkConfig:
        if not self.imported:
            for key, value in (("arguments", self.arguments), ("points", self.points), ("folder", self.folder)):
                if value:
                    raise ValueError(
                        f"network.{key} is for networks by import path (module:function), not for {self.backbone!r}"
                    )
            return self
        if not self.points:
            raise ValueError(f"network.points: name modules of {self.backbone!r} after which modulation may sit")
        if len(set(self.points)) != len(self.points):
            raise ValueError(f"network.points must be distinct, got {list(self.points)}")
        if self.width != 1 or self.embedding_size is not None:
            raise ValueError(
                f"network.width and network.embedding_size are for registered backbones; {self.backbone!r} "
                "takes its sizes from network.arguments"
            )
        return self

    def __hash__(self) -> int:
        """Return equal hashes for equal sections; defined explicitly because ``arguments`` is not hashable."""
        return hash(self.model_dump_json())


def network_identity(network: NetworkConfig) -> dict[str, Any]:
    """Return the network settings that can affect a trial's result, with paths replaced by content hashes.

    Raises:
        ValueError: The file of start weights cannot be read.
    """
    identity = network.model_dump(mode="json", exclude_defaults=True)
    identity.pop("folder", None)
    if network.weights is not None:
        identity["weights"] = network.weights.content or content_hash(network.weights.path)
    return identity


def with_known_content(network: NetworkConfig) -> NetworkConfig:
    """Return the section with the hash of its start weights filled in, so that later steps do not need the file.

    Raises:
        ValueError: The file cannot be read.
    """
    if network.weights is None or network.weights.content is not None:
        return network
    known = network.weights.model_copy(update={"content": content_hash(network.weights.path)})
    return network.model_copy(update={"weights": known})


def content_hash(path: Path) -> str:
    """Return the hash of a file of start weights.

    Raises:
        ValueError: The file cannot be read.
    """
    try:
        return file_hash(path)
    except OSError as error:
        raise ValueError(f"network.weights.path: {path} cannot be read: {error.strerror}") from error
