"""Mutations of JSON answers: depth, keys twice, numbers that are none, values of other kinds, other texts."""

import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from factory_assets_tests.market.hostile.bases import Base, Hostile
from factory_assets_tests.market.hostile.packing import with_inner
from factory_assets_tests.market.hostile.time_mutations import WHOLE_TIMES, bad_time, mixed_offsets

_ODD = (
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e308", "5e-324", "0", "-0", "-1", "0.01", "4512.2500000001",
    "9" * 40, "9" * 500, "9" * 5_000, "-" + "9" * 400, "1E3", "null", "true", "false", '"4512.25"', '""', "[]", "{}",
    "[4512.25]", '{"a": 1}', "+1", "01", ".5", "5.", "0x10", "1_000", "'1'", "undefined", "",
)  # fmt: skip
JsonMutation = Callable[[random.Random, dict[str, Any]], "str | bytes | None"]


def _apply(change: JsonMutation, must: str, rng: random.Random, base: Base) -> Hostile:
    def changed(content: bytes) -> bytes:
        answer = json.loads(content)
        made = change(rng, answer)
        made = json.dumps(answer) if made is None else made
        return made if isinstance(made, bytes) else made.encode("utf-8", errors="surrogatepass")

    return with_inner(rng, base, changed, must=must)


def _permuted(rng: random.Random, answer: dict[str, Any]) -> None:
    rng.shuffle(answer["bars"])


def _doubled(rng: random.Random, answer: dict[str, Any]) -> None:
    answer["bars"] += rng.sample(answer["bars"], 3)


def _dropped(rng: random.Random, answer: dict[str, Any]) -> None:
    answer["bars"] = rng.sample(answer["bars"], rng.randint(0, len(answer["bars"])))


def _conflicting(rng: random.Random, answer: dict[str, Any]) -> None:
    answer["bars"].append({**rng.choice(answer["bars"]), rng.choice("ohlcv"): rng.choice(answer["bars"])["o"]})


def _odd_value(rng: random.Random, answer: dict[str, Any]) -> str:
    rng.choice(answer["bars"])[rng.choice("ohlcv")] = "@"
    return json.dumps(answer).replace('"@"', rng.choice(_ODD), 1)


def _odd_time(rng: random.Random, answer: dict[str, Any]) -> None:
    for bar in answer["bars"] if rng.random() < 0.3 else [rng.choice(answer["bars"])]:
        what = rng.random()
        bar["t"] = bad_time(rng, bar["t"]) if what < 0.8 else rng.choice((1700490600, None, True, [], {}, 1.7e18))


def _odd_times(rng: random.Random, answer: dict[str, Any]) -> None:
    stamp = rng.choice(WHOLE_TIMES)
    for bar in answer["bars"]:
        bar["t"] = stamp


def _offsets(rng: random.Random, answer: dict[str, Any]) -> None:
    rows = [[bar["t"]] for bar in answer["bars"]]
    mixed_offsets(rng, rows, 0)
    for bar, row in zip(answer["bars"], rows, strict=True):
        bar["t"] = row[0]


def _keys(rng: random.Random, answer: dict[str, Any]) -> None:
    bar = rng.choice(answer["bars"])
    key = rng.choice("tohlcv")
    what = rng.random()
    if what < 0.4:
        del bar[key]
    elif what < 0.7:
        bar[key.upper()] = bar.pop(key)
    else:
        bar[rng.choice(("x", "", "T", "volume", "\u0000", "é" * 50))] = bar[key]


def _keys_swapped(rng: random.Random, answer: dict[str, Any]) -> None:
    first, second = rng.sample("ohlcv", 2)
    for bar in answer["bars"]:
        bar[first], bar[second] = bar[second], bar[first]


def _key_twice(rng: random.Random, answer: dict[str, Any]) -> str:
    text = json.dumps(answer)
    key = rng.choice(('"o": ', '"t": ', '"v": ', '"bars": ', '"success": '))
    double = {'"t": ': '"2023-11-20T14:30:00Z", ', '"bars": ': "[], ", '"success": ': "false, "}.get(key, "1.0, ")
    return text.replace(key, key + double + key, 1)


def _other_shape(rng: random.Random, answer: dict[str, Any]) -> "str | None":
    bars = answer["bars"]
    made: tuple[Any, ...] = (
        bars,
        {"bars": {}},
        {"bars": None},
        {"bars": "x"},
        {"bars": [bars]},
        {"Bars": bars},
        [answer],
    )
    made += (None, 1, "bars", [], {}, {**answer, "bars": [*bars, None]}, {**answer, "bars": [*bars, []]})
    made += ({"data": answer}, {**answer, "bars": [*bars, "x"]}, {"bars": [[bar[k] for k in "tohlcv"] for bar in bars]})
    return json.dumps(rng.choice(made))


def _reported(rng: random.Random, answer: dict[str, Any]) -> None:
    key = rng.choice(("success", "errorCode", "errorMessage"))
    answer[key] = rng.choice((False, None, 1, "x", "", 0, "true", [], True, {}, 3.5, "\n" * 50, "x" * 90_000))


def _deep(rng: random.Random, answer: dict[str, Any]) -> str:
    depth = rng.choice((33, 40, 900, 30_000, 200_000))
    nest = rng.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth))
    whole = rng.random() < 0.5
    answer["extra"] = "@"
    return nest if whole else json.dumps(answer).replace('"@"', nest, 1)


def _spelled(rng: random.Random, answer: dict[str, Any]) -> "str | bytes":
    text = json.dumps(answer)
    ways: tuple[str | bytes, ...] = (text.replace("}, {", "},, {", 1), text.replace("}]", "},]", 1), text + text)
    ways += (
        text.replace('"', "'"),
        "// bars\n" + text,
        text.replace(",", ", /* x */", 1),
        "\ufeff" + text,
        text + " ]",
    )
    ways += tuple(text.encode(codec) for codec in ("utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"))
    ways += (
        "\n".join(json.dumps(bar) for bar in answer["bars"]),
        text.replace(" ", "\u00a0"),
        text.replace(":", "=", 1),
    )
    ways += (text.replace('"t"', '"\\u0074"'), text.replace('"o"', '"\\ud800"', 1), text[:-1], "callback(" + text + ")")
    return rng.choice(ways)


_MUTATIONS: Mapping[str, tuple[JsonMutation, str]] = MappingProxyType(
    {
        "permuted_bars": (_permuted, "accept"),
        "doubled_bars": (_doubled, "accept"),
        "dropped_bars": (_dropped, ""),
        "conflicting_bars": (_conflicting, ""),
        "odd_value": (_odd_value, ""),
        "odd_time": (_odd_time, ""),
        "odd_times": (_odd_times, ""),
        "offsets": (_offsets, ""),
        "keys": (_keys, ""),
        "keys_swapped": (_keys_swapped, ""),
        "key_twice": (_key_twice, "refuse"),
        "other_shape": (_other_shape, ""),
        "reported": (_reported, ""),
        "deep": (_deep, "refuse"),
        "spelled": (_spelled, ""),
    }
)
JSON_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {name: partial(_apply, change, must) for name, (change, must) in _MUTATIONS.items()}
)
"""By kind; each gives a folder from a base of family json."""
