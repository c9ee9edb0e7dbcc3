"""Run by MLflow, which copies this file into a model: loads the packs beside it and embeds images.

Models from code instead of pickled ones: the weights are safetensors, and the code can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from trainables.packs import RetrievalModel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class PackedRetrieval(PythonModel):
    """Maps images, the bytes of their files in the column ``image``, to embeddings for the task in ``params``."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the packs. A network that the study imported is imported here too, as this file is."""
        self.model = RetrievalModel.load(context.artifacts["packs"], run_code=True)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> NDArray[np.float32]:
        """Return the embeddings ``(N, D)``."""
        task = (params or {}).get("task") or self.model.tasks[0]
        return self.model.embed(list(model_input["image"]), task).numpy()


mlflow.models.set_model(PackedRetrieval())
