"""JSON from outside: commands, receipts, journal lines, lock files.

What this program could not have written, or what the controller could not read, is a ValueError,
whether by damage or malice: NaN, integers over 64 bits, deep nesting. Types are compared exactly,
because Python takes True for 1.
"""
import json
import re

DEPTH = 16  # levels of nested lists and objects
TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,][0-9]+)?"
    r"(?:Z|[+-]([0-9]{2}):([0-9]{2}))\Z"
)
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def loads(text, depth=DEPTH):
    """The value of JSON text; ValueError for everything else."""
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=_constant)
    except RecursionError:
        raise ValueError("nested too deeply")
    if not is_flat(text, depth) and not within_depth(value, depth):
        raise ValueError("nested too deeply")
    return value


def is_flat(text, depth):
    """Whether JSON text cannot be nested more deeply, because it has no more brackets: most texts are told so faster."""
    brackets = (b"[", b"{") if isinstance(text, (bytes, bytearray)) else ("[", "{")
    return sum(map(text.count, brackets)) <= depth


def _integer(text):
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError("a number that is too large")
    return int(text)


def _real(text):
    number = float(text)
    if number - number != 0:
        raise ValueError("a number that is too large")
    return number


def _constant(text):
    raise ValueError("%s is no JSON" % text)


def within_depth(value, depth):
    """Whether lists and objects are nested at most so deeply."""
    if not isinstance(value, (list, dict)):
        return True
    members = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(within_depth(member, depth - 1) for member in members)


def members_match(record, kinds):
    """Whether the members of a record satisfy predicates, given by name. A member may be missing or
    null; members without a predicate may be anything."""
    return all(value is None or name not in kinds or kinds[name](value) for name, value in record.items())


def is_text(value):
    return type(value) is str


def is_boolean(value):
    return type(value) is bool


def is_integer(value):
    return type(value) is int


def is_number(value):
    return type(value) in (int, float)


def is_text_list(value):
    return type(value) is list and all(member is None or is_text(member) for member in value)


def is_time(value):
    """Whether a text is a time of RFC 3339 as Go reads and writes it."""
    match = TIME.match(value) if is_text(value) else None
    if match is None:
        return False
    year, month, day, hour, minute, second, east, past = (int(part or 0) for part in match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= DAYS[month - 1] or (month == 2 and day == 29 and not leap):
        return False
    return hour < 24 and minute < 60 and second < 60 and past <= 60 and 60 * east + past < 24 * 60
