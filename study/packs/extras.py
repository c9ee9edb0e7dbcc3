"""What is written beside packs on request: a model card for Hugging Face, an MLflow model, ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from study.errors import UserError
from study.packs.card import MARK, UNKNOWN_LICENCE, model_card
from trainables.foundation.files import remove_leftovers, write_text_atomically

LAYOUTS = ("packs", "huggingface", "mlflow")
CARD = "README.md"
_ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.onnx filter=lfs diff=lfs merge=lfs -text\n"


@dataclass(frozen=True)
class Extras:
    """What to write beside packs.

    Attributes:
        layout: ``packs``; ``huggingface``: also a model card and what Git needs to know; ``mlflow``: also an MLflow
            model.
        licence: Identifier of the licence of the weights, for the card.
        onnx: Tasks whose network is also written as an ONNX file.
    """

    layout: str = "packs"
    licence: str = UNKNOWN_LICENCE
    onnx: tuple[str, ...] = ()

    def check(self, folder: Path) -> None:
        """Refuse before anything is written.

        Raises:
            UserError: The layout is unknown, or the folder has a README of somebody else.
        """
        if self.layout not in LAYOUTS:
            raise UserError(f"layout: unknown {self.layout!r}; known: {', '.join(LAYOUTS)}")
        card = folder / CARD
        if self.layout == "huggingface" and card.exists() and MARK not in card.read_text("utf-8", "replace"):
            raise UserError(
                f"{card}: not written by modstudy export, so it stays; move it away, or name another folder"
            )

    def write(self, folder: Path, name: str) -> list[Path]:
        """Write them for a network of a folder; return the files.

        Raises:
            UserError: A task is unknown, or its network has no ONNX file.
        """
        written = _onnx_files(folder, name, self.onnx)
        if self.layout == "huggingface":
            written.append(write_card(folder, self.licence))
        if self.layout == "mlflow":
            from study.tracking.models.saving import save_mlflow_model

            written.append(_place(folder, "mlflow", name))
            save_mlflow_model(folder, name, written[-1])
        return written


def write_card(folder: Path, licence: str) -> Path:
    """Write the model card of all networks of a folder, and ``.gitattributes`` if there is none."""
    from trainables.packs.manifest import locked, read_manifest

    attributes = folder / ".gitattributes"
    with locked(folder):
        remove_leftovers(folder, CARD, attributes.name)
        if not attributes.exists():
            write_text_atomically(attributes, _ATTRIBUTES)
        write_text_atomically(folder / CARD, model_card(read_manifest(folder).models, licence))
    return folder / CARD


def _onnx_files(folder: Path, name: str, tasks: Sequence[str]) -> list[Path]:
    from trainables.packs import PackError, RetrievalModel

    if not tasks:
        return []
    place = _place(folder, "onnx", name)
    remove_leftovers(place, *(f"{_file_name(task)}.onnx" for task in tasks))
    try:
        model = RetrievalModel.load(folder, model=name, run_code=True)  # the study that trained it imported it too
        return [model.to_onnx(task, place / f"{_file_name(task)}.onnx") for task in tasks]
    except PackError as error:
        raise UserError(f"onnx: {error}") from error


def _place(folder: Path, kind: str, name: str) -> Path:
    """Return the folder of what is written of a network."""
    return folder / kind / _file_name(name.replace("/", "-"))


def _file_name(name: str) -> str:
    """Return a name as that of a file on any system."""
    return quote(name, safe=" ()+,=")
