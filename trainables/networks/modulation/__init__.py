"""Forms of modulation by name. A new one is a module with a class and one call of ``register_form``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trainables.config import registries
from trainables.foundation.registry import Registry
from trainables.networks.modulation.base import Modulation, Site
from trainables.networks.modulation.vectors import ACTIVATIONS, Scale

__all__ = ["ACTIVATIONS", "FORMS", "Modulation", "Scale", "Site", "build_modulation", "known_forms", "register_form"]

FORMS: Registry[type[Modulation]] = registries.FORMS
"""Name -> the class of the form, which declares what the form looks at."""


def register_form(name: str, form: type[Modulation]) -> None:
    """Make a form known under a name that study files may use.

    The class declares what the form looks at; see the attributes of ``Modulation``.

    Raises:
        ValueError: The name is taken by another form.

    Example:
        >>> class Gate(Scale):
        ...     "Vectors of one's own."
        >>> register_form("gate", Gate)
    """
    FORMS.register(name, form)


def known_forms(named: Iterable[str]) -> Mapping[str, type[Modulation]]:
    """Return every registered form, and those among ``named`` that other installed packages bring.

    Raises:
        ValueError: A part of such a name is no form.
    """
    for name in named:
        FORMS.discover(name)
        form = FORMS.get(name)
        if form is not None and not (isinstance(form, type) and issubclass(form, Modulation)):
            raise ValueError(f"form {name!r}: expected a subclass of Modulation, got {form!r}")
    return FORMS


def build_modulation(site: Site) -> Modulation:
    """Return the form that the site's settings name, unset; frozen where ``initialization.trainable`` is false.

    Raises:
        ValueError: The form is unknown or does not fit the site.
    """
    modulation = FORMS.find(site.settings.form)(site)
    if not site.settings.initialization.trainable:
        modulation.requires_grad_(requires_grad=False)
    return modulation
