"""Pydantic's errors as one line of ours: the key, its value, the rule that it breaks and the remedy."""

from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from model.errors import shown

UNION_MEMBERS = ("int", "literal", "constrained-int")  # parts of an error's location that are no keys of the file
REMEDIES = {
    "greater_than": "raise it",
    "greater_than_equal": "raise it",
    "less_than": "lower it",
    "less_than_equal": "lower it",
    "literal_error": "write one of these, in quotes",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "finite_number": "leave the key out for no limit",
    "bool_type": "write true or false, without quotes",
    "model_type": "write it as a table, [name] on a line of its own",
    "dict_type": "write it as a table, [name] on a line of its own",
    "list_type": "write it as tables, [[points]] on lines of their own",
}
Suggest = Callable[[str, list[str]], str]  # an unknown key, the known ones in its place -> the remedy


def message(error: ValidationError, model: type[BaseModel], suggest: Suggest, *, example: str, manual: str) -> str:
    """Return one line about the first mistake that `error` found in a table of the shape `model`.

    `suggest` returns the remedy for an unknown key. `example` shows a missing key in its place; `manual` names the page
    that describes all keys.
    """
    # A misspelt key comes before the key that is missing because of it.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    kind, path = first["type"], [str(part) for part in first["loc"]]
    if kind == "extra_forbidden":
        known = list(_table_at(model, path[:-1]).model_fields)
        return f"{'.'.join(path)} = {shown(first['input'])}: unknown key; {suggest(path[-1], known)}"
    key = ".".join(_keys(path))
    if kind == "missing":
        return f"{key}: missing; add it, {example}"
    rule, remedy = _broken_rules(error, _keys(path)), REMEDIES.get(kind, "change it")
    return f"{key} = {shown(first['input'])}: {rule}; {remedy} ({manual})"


def _keys(path: list[str]) -> list[str]:
    return [part for part in path if not part.startswith(UNION_MEMBERS)]


def _table_at(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """Return the model of the table that the keys in `path` lead to."""
    for part in path:
        model = model.model_fields[part].annotation  # type: ignore[assignment]
    return model


def _broken_rules(error: ValidationError, path: list[str]) -> str:
    """Return the rules that the value at `path` breaks; one that may be of several kinds has an error for each."""
    rules: list[str] = []
    for found in error.errors():
        if [str(part) for part in found["loc"][: len(path)]] == path:
            rule = found["msg"].removeprefix("Input ")
            rules.append(rule[0].lower() + rule[1:])
    return " or ".join(dict.fromkeys(rules))
