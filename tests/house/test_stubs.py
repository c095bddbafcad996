"""The hand-written stubs of the private extension say what the extension has, and nothing else."""

import ast
import re
from pathlib import Path

import pytest

import mlkit
from mlkit import _core

STUBS = Path(mlkit.__file__).parent / "_core"
MODULES = {"__init__": _core, **{name: member for name, member in vars(_core).items() if type(member) is type(_core)}}


def stub_body(name):
    return ast.parse((STUBS / f"{name}.pyi").read_text(encoding="utf-8")).body


def names_in(body):
    """Names that a stub declares: definitions, annotated variables, imports renamed to themselves."""
    names = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.name for alias in node.names if alias.asname == alias.name)
    return names


def public(names):
    return {name for name in names if not name.startswith("_") or name in ("__version__", "__init__")}


def members_of(kind):
    of_enum = {"name", "value"} if hasattr(kind, "__members__") else set()
    inherited = set() if "__members__" not in dir(kind) else {"__init__"}
    return public(vars(kind)) - of_enum - inherited


def test_every_module_of_the_extension_has_a_stub():
    assert {path.stem for path in STUBS.glob("*.pyi")} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_stub_names_what_its_module_has(name):
    assert public(names_in(stub_body(name))) == public(vars(MODULES[name]))


CLASSES = [(module, node.name) for module in MODULES for node in stub_body(module) if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_a_stub_names_what_its_class_has(module, name):
    declared = next(node for node in stub_body(module) if isinstance(node, ast.ClassDef) and node.name == name)
    assert public(names_in(declared.body)) == members_of(getattr(MODULES[module], name))


FUNCTIONS = [
    (module, node.name) for module in MODULES for node in stub_body(module) if isinstance(node, ast.FunctionDef)
]


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_a_stub_names_the_parameters_of_its_function(module, name):
    declared = next(node for node in stub_body(module) if isinstance(node, ast.FunctionDef) and node.name == name)
    signatures = re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> ", getattr(MODULES[module], name).__doc__, re.MULTILINE)
    assert signatures
    for signature in signatures:
        assert re.findall(r"(?:^|, )(\w+): ", signature) == [argument.arg for argument in declared.args.args]
