"""Methods that combine the gradients of the tasks: a backward pass for each task. Each registers itself."""

from trainables.losses.balancing.task_gradients import (  # noqa: F401
    aligned_mtl,
    cagrad,
    dualproj,
    graddrop,
    gradvac,
    imtl_g,
    mgda,
    nash_mtl,
    pcgrad,
    upgrad,
)
