"""Checks that options of ``absentia impute`` do not contradict each other, before any work."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import cast

import pandas as pd
import typer

from ..data.errors import InputError
from ..models.zoo.mechanism_names import SlopePrior
from .choices import MechanismName, ModelName, ParameterSource
from .console import listed, quoted, say


def check_options(
    context: typer.Context,
    model: ModelName,
    missingness: MechanismName,
    sign: str | dict[str, str] | None,
    fitted: Path | None,
    learning_rate: float | None,
) -> None:
    """Refuse options that would have no effect."""
    given = {
        name
        for name in (
            "model",
            "missing",
            "missingness",
            "sign",
            "slope_prior",
            "schema",
            "covariate",
            "latent_dim",
            "steps",
            "learning_rate",
            "save",
            "checkpoint",
        )
        if was_given(context, name)
    }
    if fitted is not None and given:
        raise InputError(f"--{min(given).replace('_', '-')} has no effect with --fitted; drop it")
    ignorable = model in (ModelName.miwae, ModelName.ppca)
    if ignorable and given & {"missing", "missingness", "sign", "slope_prior"}:
        raise InputError(
            f"--model {model.value} assumes that values are missing at random; drop --missing, "
            f"--missingness, --sign and --slope-prior, or leave --model out"
        )
    if "missing" in given and given & {"missingness", "sign"}:
        raise InputError(
            "--missing gives a mechanism for each column; drop --missingness and --sign (write a "
            "direction into the formula: 'income ~ +income')"
        )
    # a direction or a prior of slopes stands for self-masking where no mechanism is given
    told = "missingness" in given and missingness is not MechanismName.auto
    by_name = not told or missingness.value.startswith("self-masking")
    named_so = by_name and "missing" not in given
    if "slope_prior" in given and not named_so:
        raise InputError(
            "--slope-prior belongs to --missingness self-masking; drop it (formulas and other "
            "mechanisms have no prior)"
        )
    limit = missingness is MechanismName.limit
    signed = limit or by_name
    if sign is not None and not signed:
        raise InputError(
            f"--sign belongs to self-masking and to limits, not to --missingness "
            f"{missingness.value}; drop it"
        )
    if limit and sign is None:
        raise InputError(
            "--missingness limit needs the side on which values are missing; give --sign high "
            "or --sign low"
        )
    if learning_rate == 0:
        raise InputError("--learning-rate is 0; give a positive number")


def check_several(
    draws: int,
    multiple: int,
    parameters: ParameterSource,
    formula: list[str] | None,
    weights: str | None,
) -> None:
    """Refuse options that ask for two kinds of tables in one file, or for too few of them."""
    if formula and not multiple:
        raise InputError("--formula is pooled over completed tables; give --multiple 20, too")
    if weights is not None and not formula:
        raise InputError("--weights are those of a regression; give --formula 'y ~ x', too")
    if draws and multiple:
        raise InputError(
            "--draws and --multiple write the same file; give --multiple for an analysis, whose "
            "tables carry the uncertainty about the parameters, or --draws without it"
        )
    if parameters is not ParameterSource.auto and not multiple:
        raise InputError("--parameters belongs to --multiple; give both, or neither")
    if multiple == 1:
        raise InputError("--multiple 1 has no variance between tables; give 5 or more")


def with_limits_of_the_file(
    sign: str | dict[str, str] | None,
    missingness: MechanismName,
    read_as_missing: Mapping[str, Mapping[str, int]],
    columns: Sequence[str],
) -> str | dict[str, str] | None:
    """Put the limits that the file states, such as ">400", in the place of directions.

    Args:
        sign: the directions that were given.
        missingness: the mechanism; only a limit takes them.
        read_as_missing: the words that were read as missing, with the number in each column.
        columns: the columns that are modelled.
    """
    from ..models.missingness.directions import direction, limit_in

    if missingness is not MechanismName.limit or sign is None:
        return sign
    stated: dict[str, set[str]] = {}
    for word, where in read_as_missing.items():
        for name in where:
            if limit_in(word) is not None and name in columns:
                stated.setdefault(name, set()).add(word)
    own = dict.fromkeys(columns, sign) if isinstance(sign, str) else dict(sign)
    for name, words in stated.items():
        word = sorted(words)[0]
        limit, side = limit_in(word), own.get(name, "free")
        alike = len(words) == 1 and limit is not None and limit_in(side) is None
        if alike and limit is not None and direction(side) == limit.direction:
            own[name] = word
            say(f"limit of '{name}': {limit.value:g}, as the file writes it ({word})")
    return own if any(limit_in(one) for one in own.values()) else sign


def signs_of(given: list[str] | None) -> str | dict[str, str] | None:
    """Read --sign: a direction for all columns, directions by column name, or None.

    Raises:
        InputError: for a word that is no direction, or if a direction for all columns stands
            beside another.
    """
    from ..models.missingness.directions import direction, limit_in

    found: dict[str, str] = {}
    for one in given or []:
        name, named, value = one.rpartition("=")
        if name[-1:] in ("<", ">"):  # crp=<=0.5
            (name, named, _), value = name.rpartition("="), f"{name[-1]}={value}"
        limited = limit_in(value) is not None
        own = value if limited else direction(value, name if named else None) or "free"
        if named and name in found:
            raise InputError(f"--sign gives two directions for column '{name}'; drop one")
        found[name] = own
    if "" in found and len(given or []) > 1:
        raise InputError(
            "--sign gives a direction for all columns and a further one; give one direction for "
            "all (--sign high), or each with its column (--sign income=high --sign bmi=low)"
        )
    if "" in found:
        return None if found[""] == "free" else found[""]
    return found or None


def without_effect(
    missing: list[str] | None, sign: str | dict[str, str] | None, gaps: Collection[str],
    columns: Collection[str],
) -> list[str]:  # fmt: skip
    """Report formulas and signs of columns in which no value is missing.

    Args:
        missing: the formulas.
        sign: a direction for all columns, or directions by column.
        gaps: the columns with missing values.
        columns: all columns.

    >>> without_effect(["bmi ~ bmi", "pay ~ pay"], None, ["pay"], ["bmi", "pay"])
    ["no value of 'bmi' is missing, so that --missing 'bmi ~ bmi' has no effect"]
    """
    said = {}
    for text in missing or []:
        said[text.partition("~")[0].strip().strip("`")] = f"--missing '{text}'"
    for name, direction in sign.items() if isinstance(sign, dict) else ():
        said[name] = f"--sign {name}={direction}"
    return [
        f"no value of '{name}' is missing, so that {option} has no effect"
        for name, option in said.items()
        if name in columns and name not in gaps
    ]


def prior_in(text: str) -> SlopePrior:
    """Read --slope-prior into the scale of a prior.

    Raises:
        InputError: if it is neither of the two names nor a positive number.
    """
    if text in ("weak", "flat"):
        return cast("SlopePrior", text)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(f"--slope-prior is '{text}'; give weak, flat or a positive number")
    return number


def was_given(context: typer.Context, name: str) -> bool:
    """Whether the user gave an option, whatever its value."""
    return _source(context, name) != "DEFAULT"


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "DEFAULT" if source is None else source.name


def carried(
    frame: pd.DataFrame,
    table: Path,
    leave_out: list[str] | None,
    id_column: str | None,
    covariate: list[str] | None,
) -> list[str]:
    """List the columns that are neither modelled nor changed.

    Raises:
        InputError: for a column that is not there, or that is a covariate, too.
    """
    named = [("--leave-out", name) for name in leave_out or []]
    named += [] if id_column is None else [("--id", id_column)]
    for option, name in named:
        if name not in frame.columns:
            parts = [part.strip() for part in name.split(",")]
            if option == "--leave-out" and parts[1:] and all(p in frame.columns for p in parts):
                each = " ".join(f"--leave-out {quoted(part)}" for part in parts)
                raise InputError(f"--leave-out names one column at a time; give {each}")
            raise InputError(
                f"{table} has no column '{name}' ({option}); it has {listed(frame.columns, 10)}"
            )
        if name in (covariate or []):
            raise InputError(f"{option} and --covariate both name column '{name}'; drop one")
    untouched = list(dict.fromkeys(name for _, name in named))
    if len(untouched) == len(frame.columns):
        raise InputError(
            f"every column of {table} is left out; drop --leave-out for those to be modelled"
        )
    return untouched
