"""The training step and the ways to take an epoch of them: one by one on the CPU, prepared ahead on an accelerator.

``step`` is the step itself, a function of its ``inputs``. ``ahead`` holds the inputs of a whole epoch on the device,
``images`` the pixels, ``records`` what the steps report, ``capture`` the CUDA graph, and ``driving`` the two ways.
"""
