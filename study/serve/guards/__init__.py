"""What a request passes before it is answered, outermost first.

``observing`` counts and logs it; ``headers`` tells browsers what the page may do; ``doors`` checks whom it addresses,
from which page it comes and its token; ``bodies`` receives it within limits; ``connections`` closes silent ones.
"""
