# The public names of the package and where they are: read by type checkers, and by lazy_loader when the package is
# imported.
from .definition.loading import load_study as load_study
from .definition.model import StudyDefinition as StudyDefinition
from .errors import UserError as UserError
from .study import Study as Study
