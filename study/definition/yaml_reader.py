"""The only reader of YAML: safe, strict, and bounded in time and memory for any file."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources.abc import Traversable
from typing import Any, cast

import yaml

from study.errors import UserError

LARGEST_FILE = 4_000_000
"""Largest file in bytes; the affinities of 140 tasks take fewer."""

DEEPEST = 50
"""Largest depth of nesting; a study file has about eight levels."""

MOST_VALUES = 200_000
"""Largest number of values, including repetitions by aliases: nine aliases of nine aliases multiply."""

LONGEST_TEXT = 10_000
LONGEST_NUMBER = 100
"""Largest number of characters of a value, as text and as anything else (a number, a date)."""

_MERGE_TAG = "tag:yaml.org,2002:merge"
_TEXT_TAG = "tag:yaml.org,2002:str"
_KINDS = {"bool": "a boolean", "null": "nothing", "int": "a number", "float": "a number"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictLoader(yaml.SafeLoader):
    """``yaml.SafeLoader`` with limits, in which a duplicate key is an error and 1e-3 is a number."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._composed = 0
        self._values: dict[int, int] = {}  # how many values a finished node expands to, by its identity

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, and count the values it represents before constructing any.

        Raises:
            yaml.composer.ComposerError: too deep, too many values, text too long, or an alias inside its own value.
        """
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_TEXT:
            raise _refusal(f"a text of {len(event.value):,} characters; at most {LONGEST_TEXT:,} are read", event)
        if self._depth == DEEPEST:
            raise _refusal(f"nested too deeply; at most {DEEPEST} levels are read", event)
        self._composed += 1
        if self._composed > MOST_VALUES:
            raise _too_many(event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None:
            self._count(node, event)
        return node

    def _count(self, node: yaml.Node, event: yaml.Event) -> None:
        """Record how many values a node represents; an alias counts for everything it repeats."""
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._values:
                raise _refusal("an alias (*name) is inside the value it names", event)
            return
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        values = self._values[id(node)] = 1 + sum(self._values[id(part)] for part in parts)
        if values > MOST_VALUES:
            raise _too_many(event)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build a value.

        Raises:
            yaml.constructor.ConstructorError: it violates a rule, or looks like a number or date but is not one.
        """
        if isinstance(node, yaml.ScalarNode):
            if node.tag != _TEXT_TAG and len(node.value) > LONGEST_NUMBER:
                kind = node.tag.rpartition(":")[2]
                rule = f"at most {LONGEST_NUMBER} are read; put text in quotes"
                raise _refusal(f"{kind} of {len(node.value):,} characters; {rule}", node)
            if _SURROGATE.search(node.value):
                raise _refusal("half a character (a surrogate) is not text", node)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError):
            # What PyYAML raises on 2026-13-45, on 0x_ and on !!bool maybe; a node of ours is always one of its kinds.
            kind = node.tag.rpartition(":")[2]
            raise _refusal(
                f"{str(node.value)[:LONGEST_NUMBER]!r} is not a valid {kind}; put text that looks like one in quotes",
                node,
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping.

        Raises:
            yaml.constructor.ConstructorError: a key is given twice, or is not text.
        """
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE_TAG:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _refusal(f"keys must be text, got {key!r}{in_quotes(key_node)}", key_node)
            if key in seen:
                raise _refusal(f"key {key!r} is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


NUMBER_WITH_EXPONENT = (
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z"),
    list("-+0123456789."),
)
"""How numbers such as 1e-3 are recognized; YAML 1.1, which PyYAML reads, requires a dot and a sign after the e."""

StrictLoader.add_implicit_resolver(*NUMBER_WITH_EXPONENT)


def _date_as_text(loader: StrictLoader, node: yaml.ScalarNode) -> str:
    """Return a date as written: no key takes a date, so it is a name."""
    loader.construct_yaml_timestamp(node)  # refuses 2026-13-45
    return str(node.value)


StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _date_as_text)


def _refusal(problem: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=cast("yaml.Mark", at.start_mark))


def _too_many(at: yaml.Event) -> yaml.MarkedYAMLError:
    return _refusal(f"more than {MOST_VALUES:,} values, including repetitions by aliases", at)


def in_quotes(node: yaml.Node) -> str:
    """Return a hint to quote a word that YAML reads as something other than text; empty for others.

    YAML 1.1 reads ``no``, ``off`` and ``y`` as booleans, ``~`` as nothing, ``12:30`` and ``010`` as other numbers.
    """
    if not isinstance(node, yaml.ScalarNode) or node.tag == _TEXT_TAG or not node.value:
        return ""
    kind = node.tag.rpartition(":")[2]
    return f"; unquoted, {node.value} is {_KINDS.get(kind, kind)} to YAML: write '{node.value}'"


def words_in(name: str, text: str, place: str) -> list[yaml.ScalarNode]:
    """Return the single values at a dotted key of a YAML text, or in the list there; none if there is no such key.

    Raises:
        UserError: as ``read_yaml``.
    """
    node = compose_yaml(name, text)
    for part in re.findall(r"[^.\[\]]+", place):
        if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), node)
        else:
            return []
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [part for part in parts if isinstance(part, yaml.ScalarNode)]


def read_text_file(name: str, source: Traversable) -> str:
    """Return the text of a YAML file, reading no more than the allowed size.

    Raises:
        UserError: it is too large, or not UTF-8; the message starts with ``name``.
        OSError: it cannot be read.
    """
    with source.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise UserError(
            f"{name}: larger than {LARGEST_FILE:,} bytes, the largest size that is read; is it the right file?"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None


def read_yaml(name: str, text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        UserError: it is not YAML, or exceeds a limit; the message starts with ``name``, the file's, and is one line.
    """
    return _in_one_line(name, text, StrictLoader.get_single_data)


def compose_yaml(name: str, text: str) -> yaml.Node:
    """Return the nodes of a YAML text that is not empty, with their places in the text.

    Raises:
        UserError: as ``read_yaml``.
    """
    node: yaml.Node = _in_one_line(name, text, StrictLoader.get_single_node)
    return node


def _in_one_line(name: str, text: str, read: Callable[[StrictLoader], Any]) -> Any:
    loader: StrictLoader | None = None
    try:
        loader = StrictLoader(text)
        return read(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{name}: {_place(mark)}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError):  # of the scanner: an escape beyond Unicode, a version of 5,000 digits
        mark = loader.get_mark() if loader else None
        raise UserError(f"{name}: {_place(mark)}not YAML: a number in an escape or a directive is too large") from None


def _place(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
