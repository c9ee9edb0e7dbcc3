"""Computing the id of a trial."""

from __future__ import annotations

import subprocess
import sys


def test_computing_what_acts_imports_torch_for_a_modulated_trial_alone() -> None:
    program = (
        "import sys; from trainables.config.trial import TrialConfig; from trainables.config.identity import trial_id\n"
        "bare = TrialConfig.model_validate({'data': {'tasks': ['Hat']}, 'balancing': {'method': 'pcgrad'}})\n"
        "trial_id(bare, 'data'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program
