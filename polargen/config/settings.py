"""The base of every settings model: two spellings of a key, bounded numbers, own error texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from polargen.config.problems import (
    Problem,
    RefusedAt,
    given_twice,
    number,
    refusal,
    shown,
    unknown,
)
from polargen.errors import ConfigError

M = TypeVar("M", bound="Section")


class Section(BaseModel):
    """A group of settings.

    Keys are accepted as camelCase and snake_case, never both at once; unknown ones are refused.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        defer_build=True,  # workers get models that are checked already and never build any
    )

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Return every accepted spelling of a key and the key it stands for."""
        return {
            spelling: _alias(cls, field)
            for field in cls.model_fields
            for spelling in (field, to_camel(field), _alias(cls, field))
        }

    @classmethod
    def fold(cls, key: str) -> str:
        """Return the form in which ``key`` is looked up among the spellings."""
        return key

    @classmethod
    def shorthand(cls, value: object) -> dict[str, object] | None:
        """Return the complete map that a value other than a map stands for; None if none does."""
        return None

    @classmethod
    def complete(cls, given: Mapping[str, object]) -> dict[str, object]:
        """Return what ``given``, a map on top of an inherited one, sets besides its own keys."""
        return {}

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, data: object) -> object:
        if isinstance(data, Mapping):
            return rename(cls, data)
        expanded = cls.shorthand(data)
        return data if expanded is None else expanded


def key_of(model: type[Section], given: object) -> str | None:
    """Return the key of ``model`` that ``given`` spells, None if it is unknown."""
    return _spellings(model).get(model.fold(str(given)))


def keys_of(model: type[Section]) -> tuple[str, ...]:
    """Return the keys of ``model`` in their order."""
    return tuple(_alias(model, field) for field in model.model_fields)


@cache
def section_of(model: type[Section], key: str) -> type[Section] | None:
    """Return the section that stands under ``key``, None if a plain value does."""
    for field, info in model.model_fields.items():
        if _alias(model, field) == key:
            return next((kind for kind in _kinds(info.annotation) if _is_section(kind)), None)
    return None


def rename(model: type[Section], data: Mapping[Any, Any]) -> dict[str, Any]:
    """Return ``data`` with the keys of ``model`` in their one spelling; unknown keys stay.

    Raises:
        ValueError: if a key is given in two spellings.
    """
    renamed: dict[str, Any] = {}
    given: dict[str, str] = {}
    for key, value in data.items():
        name = key_of(model, key) or str(key)
        if name in renamed:
            raise ValueError(given_twice(given[name], str(key)))
        renamed[name], given[name] = value, str(key)
    return renamed


@dataclass(frozen=True)
class Limits:
    """Bounds of an int or float field, inclusive; ``above`` leaves ``low`` itself out.

    A field of type int takes whole numbers only. Numbers may be written as digits in text.
    """

    low: float
    high: float
    above: bool = False

    def __str__(self) -> str:
        if self.above:
            return f"above {self.low:,} and at most {self.high:,}"
        return f"{self.low:,}..{self.high:,}"

    def read(self, value: object, whole: bool) -> int | float:
        """Return ``value`` as a number inside the limits, or raise a ValueError that says why."""
        try:
            result = number(value)
        except ValueError as error:
            raise ValueError(f"{error}, must be {self}") from None
        if (
            whole
            and isinstance(result, float)
            and not (result.is_integer() and abs(result) < 2**53)
        ):
            raise ValueError(f"{shown(value)} is not a whole number, must be {self}")
        if not self.low <= result <= self.high or (self.above and result == self.low):
            raise ValueError(f"{shown(value)} is out of range, must be {self}")
        return int(result) if whole else float(result) + 0.0  # + 0.0 turns -0.0 into 0.0

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        inner = handler(source)
        whole = inner["type"] == "int"
        return core_schema.no_info_before_validator_function(
            lambda value: self.read(value, whole), inner
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        low = "exclusiveMinimum" if self.above else "minimum"
        return {**handler(schema), low: self.low, "maximum": self.high}


def check(model: type[M], values: object) -> tuple[M | None, list[Problem]]:
    """Return ``values`` as a ``model``, or None and everything that is wrong with them."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        return None, [_problem(detail, model) for detail in error.errors(include_url=False)]


def config_error(error: ValidationError, model: type[Section], where: str = "") -> ConfigError:
    """Return one ConfigError for everything that pydantic found wrong with ``model``."""
    found = (_problem(detail, model) for detail in error.errors(include_url=False))
    return refusal(Problem(one.path, one.message, where) for one in found)


def _problem(detail: Any, model: type[Section]) -> Problem:
    """Return one entry of ``ValidationError.errors()`` in polargen's words."""
    path = [str(step) for step in detail["loc"]]
    value, kind = detail["input"], detail["type"]
    if kind == "value_error":
        error = detail["ctx"]["error"]
        message = str(error)
        path += [error.at] if isinstance(error, RefusedAt) else []
    elif kind == "missing":
        message = "is missing, give it"
    elif kind == "extra_forbidden":
        section = _section_at(model, path[:-1])
        message = unknown(path[-1], keys_of(section))
    elif kind in ("model_type", "model_attributes_type", "dict_type"):
        keys = ", ".join(keys_of(_section_at(model, path)))
        message = f"{shown(value)} is not a map, give one with keys of {keys}"
    elif kind == "string_type":
        message = f"{shown(value)} is not text, put it in quotes"
    elif kind in ("tuple_type", "list_type"):
        message = f"{shown(value)} is not a list, write [a, b]"
    elif kind in ("bool_type", "bool_parsing"):
        message = f"{shown(value)} is neither true nor false, give one of them"
    else:
        message = f"{shown(value)} is refused: {detail['msg']}"
    return Problem(".".join(path), message)


def _section_at(model: type[Section], path: list[str]) -> type[Section]:
    for step in path:
        model = section_of(model, step) or model
    return model


@cache
def _spellings(model: type[Section]) -> dict[str, str]:
    return model.spellings()


def _alias(model: type[Section], field: str) -> str:
    return model.model_fields[field].alias or field


def _kinds(annotation: object) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
