"""Every public name explains itself: sections, parameters as in the signature, examples that run."""

from __future__ import annotations

import contextlib
import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import mlkit

SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)


def find_modules() -> list[str]:
    """All modules of the package but the extension, which is private and explains itself in its stub."""
    found = pkgutil.walk_packages(mlkit.__path__, "mlkit.")
    return ["mlkit", *(module.name for module in found if not module.name.startswith("mlkit._core"))]


def find_public_objects() -> dict[str, Any]:
    """What the `__all__` of every public module offers, by its shortest full name."""
    objects: dict[str, Any] = {}
    for name in sorted(MODULES, key=lambda name: name.count(".")):
        if any(part.startswith("_") for part in name.split(".")):
            continue
        with contextlib.suppress(ImportError):  # a module that cannot be imported fails its own test below
            module = importlib.import_module(name)
            for public in getattr(module, "__all__", ()):
                value = getattr(module, public)
                if public != "__version__" and not any(value is known for known in objects.values()):
                    objects[f"{name}.{public}"] = value
    return objects


def find_methods(name: str, kind: type) -> Iterator[tuple[str, Any]]:
    """Public methods that a class defines itself, or has from a private part of the package."""
    ours = [base for base in reversed(kind.__mro__) if base is kind or base.__module__.startswith("mlkit.")]
    members = {attribute: value for base in ours for attribute, value in vars(base).items()}
    for attribute, value in members.items():
        if attribute.startswith("_") or isinstance(value, property):
            continue
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isfunction(function):
            yield f"{name}.{attribute}", function


MODULES = find_modules()
PUBLIC = find_public_objects()
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
ERRORS = {name for name, value in CLASSES.items() if issubclass(value, Exception)}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isroutine(value)}
METHODS = {name: method for owner, kind in CLASSES.items() for name, method in find_methods(owner, kind)}
PROPERTIES = {
    f"{owner}.{name}": value
    for owner, kind in CLASSES.items()
    for name, value in vars(kind).items()
    if isinstance(value, property) and not name.startswith("_")
}
CALLABLES = {**FUNCTIONS, **METHODS}


def sections(documented: Any) -> dict[str, str]:
    """The text of a docstring by section; what comes first is the "Summary"."""
    parts = SECTION.split(inspect.getdoc(documented) or "")
    return {"Summary": parts[0].strip(), **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented_names(section: str) -> list[str]:
    """Names of numpydoc entries: each entry begins at the margin, several names share one between commas."""
    names = []
    for line in section.splitlines():
        if line and not line[0].isspace():
            names += [name.strip().lstrip("*") for name in line.split(" : ")[0].split(",")]
    return names


def parameter_names(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_run(name):
    result = doctest.testmod(importlib.import_module(name), report=True)
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for(name):
    assert sections(importlib.import_module(name))["Summary"]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_begins_with_one_sentence(name):
    first = sections(PUBLIC[name])["Summary"].split("\n\n")[0]
    assert first.endswith((".", "`.", ")"))
    assert first[0].isupper() or not first[0].isalpha() or inspect.ismodule(PUBLIC[name])


@pytest.mark.parametrize("name", {**METHODS, **PROPERTIES})
def test_a_public_method_or_property_says_what_it_does(name):
    assert sections({**METHODS, **PROPERTIES}[name])["Summary"]


@pytest.mark.parametrize("name", CALLABLES)
def test_documented_parameters_are_those_of_the_signature(name):
    documented = documented_names(sections(CALLABLES[name]).get("Parameters", ""))
    assert sorted(documented) == sorted(parameter_names(CALLABLES[name]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_returns(name):
    returns = inspect.signature(FUNCTIONS[name]).return_annotation
    assert ("Returns" in sections(FUNCTIONS[name])) == (returns not in (None, "None"))


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *CLASSES} - ERRORS))
def test_a_function_or_class_shows_an_example(name):
    assert ">>> " in sections(PUBLIC[name]).get("Examples", "")


@pytest.mark.parametrize("name", sorted(set(CLASSES) - ERRORS))
def test_a_class_documents_what_it_is_made_of(name):
    kind = CLASSES[name]
    text = sections(kind)
    documented = documented_names(text.get("Parameters", "")) + documented_names(text.get("Attributes", ""))
    if dataclasses.is_dataclass(kind):
        assert set(documented) >= {field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")}
    elif "Parameters" in text:
        assert sorted(documented_names(text["Parameters"])) == sorted(parameter_names(kind.__init__))
