"""The parts of a page: each function computes one section's data from the results or from what was handed in.

Nothing is drawn or written here. To add a part: its type in ``results.page.model`` or ``results.page.analyses``, its
function here, a field of ``PageData`` filled in ``build``, a section in the template, and its chart in ``assets/js``.
"""
