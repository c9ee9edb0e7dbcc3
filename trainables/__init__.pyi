# The public names of the package and where they are: read by type checkers, and by lazy_loader when the package is
# imported.
from .config.trial import TrialConfig as TrialConfig
from .losses.balancing import register_balancer as register_balancer
from .networks.backbones import register_backbone as register_backbone
from .networks.insertion import insert_modulation as insert_modulation
from .networks.ledger import storage_ledger as storage_ledger
from .networks.modulation import register_form as register_form
from .run import run_trial as run_trial
from .sources.registry import register_source as register_source
