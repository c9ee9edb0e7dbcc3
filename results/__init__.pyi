# The public names of the package and where they are: read by type checkers, and by lazy_loader when the package is
# imported.
from .analysis.summary import summarize as summarize
from .analysis.tradeoff import pareto_front as pareto_front
from .analysis.tradeoff import tradeoff_points as tradeoff_points
from .figures.canvas import Caption as Caption
from .figures.canvas import save_figure as save_figure
from .figures.tradeoff import tradeoff_figure as tradeoff_figure
from .report.report import write_report as write_report
from .tables.schema import SCHEMAS as SCHEMAS
from .tables.store import read_table as read_table
