"""Forms of modulation by name. To add a form, write a module with its class and call ``register_form``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trainables.config import registries
from trainables.foundation.registry import Registry
from trainables.networks.modulation.base import Modulation, Site
from trainables.networks.modulation.vectors import ACTIVATIONS, Scale

__all__ = ["ACTIVATIONS", "FORMS", "Modulation", "Scale", "Site", "build_modulation", "known_forms", "register_form"]

FORMS: Registry[type[Modulation]] = registries.FORMS
"""Name -> class of the form, which declares the settings that the form uses."""


def register_form(name: str, form: type[Modulation]) -> None:
    """Register a form under a name that study files may use.

    The class declares the settings that the form uses; see the attributes of ``Modulation``.

    Raises:
        ValueError: The name is already used by another form.

    Example:
        >>> class Gate(Scale):
        ...     "Vectors of one's own."
        >>> register_form("gate", Gate)
    """
    FORMS.register(name, form)


def known_forms(named: Iterable[str]) -> Mapping[str, type[Modulation]]:
    """Return all registered forms, including those among ``named`` that other installed packages provide.

    Raises:
        ValueError: What is registered under one of the names is not a form.
    """
    for name in named:
        form = FORMS[name] if FORMS.known(name) else None
        if form is not None and not (isinstance(form, type) and issubclass(form, Modulation)):
            raise ValueError(f"form {name!r}: expected a subclass of Modulation, got {form!r}")
    return FORMS


def build_modulation(site: Site) -> Modulation:
    """Return the form named in the site's settings, uninitialized; frozen if ``initialization.trainable`` is false.

    Raises:
        ValueError: The form is unknown or does not fit the site.
    """
    modulation = FORMS.find(site.settings.form)(site)
    if not site.settings.initialization.trainable:
        modulation.requires_grad_(requires_grad=False)
    return modulation
