"""Figures, the page, and the sentence a reader looks for first."""

import re
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from factory_assets.reports.evaluation import evaluation_figures
from factory_assets.reports.figure import Figure
from factory_assets.reports.headline import edge_sentences
from factory_assets.reports.labels import label_figures
from factory_assets.reports.market import price_figure
from factory_assets.reports.models import model_figures
from factory_assets.reports.page import Section, render_page
from factory_assets.vocabulary.verdict import Verdict

IMAGE_BYTES_MAX = 200_000
PLAIN_TAGS = {"html", "head", "meta", "title", "style", "body", "p", "h1", "h2", "h3", "div", "img"} | {
    *("table", "thead", "tbody", "tr", "th", "td")
}


def _times(rows: int, minutes: int) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-02 15:00", periods=rows, freq=f"{minutes}min", tz="UTC", unit="us")


def _market(simulated: bool) -> list[Figure]:
    rows = 4000
    random = np.random.default_rng(3)
    open_time = _times(rows, 1)
    bars = pd.DataFrame(
        {
            "open_time": open_time,
            "close_time": open_time + pd.Timedelta(minutes=1),
            "trade_date": open_time.tz_localize(None).floor("D").as_unit("ms"),
            "close": 4000 + random.normal(size=rows).cumsum(),
            "adjustment_ratio": np.where(np.arange(rows) < 2000, 1.0, 0.99),
        }
    )
    rolls = pd.DataFrame({"trade_date": bars["trade_date"].iloc[[2000]].reset_index(drop=True)})
    return [price_figure(bars, rolls, simulated=simulated)]


def _labels(simulated: bool) -> list[Figure]:
    random = np.random.default_rng(5)
    decision = _times(3000, 25)
    labels = pd.DataFrame(
        {
            "decision_time": decision,
            "t0": decision,
            "t1": decision + pd.to_timedelta(random.integers(1, 250, 3000), unit="min"),
            "label": random.integers(-1, 2, 3000).astype(float),
            "event": np.arange(3000) % 3 == 0,
            "uniqueness": random.uniform(0.2, 1.0, 3000),
        }
    )
    return label_figures(labels, simulated=simulated)


def _predictions(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.dirichlet([1, 1, 1], rows), columns=["p_down", "p_flat", "p_up"])
    frame["label"] = random.integers(-1, 2, rows).astype(np.int8)
    return frame


def _models(simulated: bool) -> list[Figure]:
    return model_figures("lightgbm", _predictions(500, 6), _predictions(5, 7), simulated=simulated)


def _evaluation_table() -> pd.DataFrame:
    rows = [
        (model, period, metric, 0.01 * n, 0.01 * n - 0.02, 0.01 * n + 0.02)
        for n, model in enumerate(("stack", "prior", "clock_atr_logistic"))
        for period in ("oof", "val")
        for metric in ("direction_skill", "skill_log_loss", "net_pnl_dollars", "sharpe_annual")
    ]
    table = pd.DataFrame(rows, columns=["model", "period", "metric", "value", "low", "high"])
    table.loc[0, ["value", "low", "high"]] = np.nan
    return table


def _evaluation(simulated: bool) -> list[Figure]:
    random = np.random.default_rng(8)
    trades = pd.DataFrame(
        {
            "model": ["stack"] * 40,
            "period": ["oof"] * 40,
            "exit_time": _times(40, 90),
            "net_dollars": random.normal(0, 20, 40),
        }
    )
    return evaluation_figures(_evaluation_table(), trades, simulated=simulated)


@cache
def _drawn(make: Callable[[bool], list[Figure]], *, simulated: bool) -> list[Figure]:
    """Figures drawn once for all tests that only look at them."""
    return make(simulated)


MAKERS = pytest.mark.parametrize("make", [_market, _labels, _models, _evaluation])


def _chunks(png: bytes) -> dict[bytes, bytes]:
    """Chunks of a PNG by type, each with its checksum verified."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + body) == checksum
        found[kind] = found.get(kind, b"") + body
        at += 12 + length
    return found


@MAKERS
def test_equal_input_gives_equal_bytes(make):
    first, second = _drawn(make, simulated=True), make(simulated=True)
    assert [figure.png for figure in first] == [figure.png for figure in second]
    assert [figure.title for figure in first] == [figure.title for figure in second]


@MAKERS
def test_images_are_whole_png_files_small_enough_for_the_ui(make):
    for figure in _drawn(make, simulated=True):
        assert len(figure.png) < IMAGE_BYTES_MAX, f"{figure.title}: {len(figure.png)} bytes"
        chunks = _chunks(figure.png)
        width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
        assert width >= 400
        assert height >= 150
        pixels = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8)
        assert len(np.unique(pixels)) > 3, f"{figure.title} is blank"
        assert set(chunks) <= {b"IHDR", b"IDAT", b"IEND", b"pHYs"}, "no creation time, no software name"


@MAKERS
def test_simulated_is_said_in_the_caption_and_drawn_into_the_image(make):
    marked, plain = _drawn(make, simulated=True), _drawn(make, simulated=False)
    assert marked
    for with_mark, without in zip(marked, plain, strict=True):
        assert with_mark.caption == f"SIMULATED. {without.caption}"
        assert with_mark.png != without.png
        assert len(without.caption.split()) > 7, "a caption says what is drawn and what to look for"


def test_captions_carry_the_counts():
    assert "1,000 sampled decisions" in _labels(simulated=False)[0].caption
    assert "500 out-of-fold rows, 5 val rows" in _models(simulated=False)[0].caption
    assert "No model traded" in _evaluation(simulated=False)[-1].caption


def test_drawing_leaves_no_global_state():
    import matplotlib._pylab_helpers as managers

    _models(simulated=True)
    assert not managers.Gcf.figs


def _page(**changes: object) -> str:
    section = {
        "title": "One & two",
        "paragraphs": ["5 < 6 <script>alert(1)</script>"],
        "tables": [pd.DataFrame({"<b>name": ["<img src=x onerror=y>", None], "value": [1234.5678, float("nan")]})],
        "figures": [Figure(title='"quoted"', caption="<i>c</i>", png=b"\x89PNG")],
        "verdicts": [
            Verdict(name="holds_<x>", passed=True, summary="<u>fine</u>"),
            Verdict(name="broken", passed=False, summary="bad"),
            Verdict(name="warned", passed=False, summary="odd", blocking=False),
        ],
    } | changes
    return render_page("<title>", "lead & <lead>", [Section(**section)], simulated=True)


def test_everything_on_the_page_is_escaped():
    page = _page()
    for hostile in ("<script", "<img src=x", "<b>name", "<u>fine", "<i>c", "<title><", "holds_<x>", "<lead>"):
        assert hostile not in page
    for shown in (
        "&lt;script&gt;alert(1)",
        "&lt;img src=x onerror=y&gt;",
        "&lt;b&gt;name",
        "One &amp; two",
        "&quot;quoted",
    ):
        assert shown in page
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    assert tags <= PLAIN_TAGS


def test_the_page_stands_alone():
    page = _page()
    assert re.findall(r'src="([^"]{0,22})', page) == ["data:image/png;base64,"]
    assert "href" not in page
    assert "http" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_simulated_stands_above_everything():
    assert "SIMULATED: no figure on this page is of a market" in _page().partition("<h1>")[0]
    assert "SIMULATED" not in render_page("t", "l", [], simulated=False)


def test_numbers_and_outcomes_are_spelled_for_people():
    page = _page()
    assert "<td>1,235</td>" in page
    assert "<td>n/a</td>" in page
    assert [re.search(f'class="{state}">([a-z]+)<', page)[1] for state in ("pass", "fail", "warn")] == [
        "holds",
        "broken",
        "warns",
    ]


def _edge(cases: dict[tuple[str, str], tuple[float, float, float]]) -> list[str]:
    rows = [("stack", period, metric, *values) for (period, metric), values in cases.items()]
    rows += [("prior", "val", "direction_skill", 9.0, 8.0, 10.0)]
    return edge_sentences(pd.DataFrame(rows, columns=["model", "period", "metric", "value", "low", "high"]), "stack")


ABOVE, ACROSS, BELOW = (0.05, 0.01, 0.09), (0.05, -0.01, 0.11), (-0.05, -0.09, -0.01)
DIRECTION, MONEY = "direction_skill", "net_pnl_dollars"


def test_each_interval_is_placed_against_zero():
    said = _edge({("oof", DIRECTION): ABOVE, ("oof", MONEY): ACROSS, ("val", DIRECTION): BELOW})
    assert said[0] == "oof: direction skill of stack is +0.050; its interval [+0.010, +0.090] lies above zero."
    assert said[1].endswith("its interval [-0, +0] contains zero.")
    assert said[2].endswith("its interval [-0.090, -0.010] lies below zero.")


@pytest.mark.parametrize(
    ("cases", "finding"),
    [
        ({("oof", DIRECTION): ABOVE, ("oof", MONEY): ABOVE, ("val", DIRECTION): ABOVE, ("val", MONEY): ABOVE}, "every"),
        ({("oof", DIRECTION): ABOVE, ("oof", MONEY): ABOVE, ("val", DIRECTION): ABOVE, ("val", MONEY): ACROSS}, "only"),
        ({("oof", DIRECTION): ABOVE, ("oof", MONEY): ACROSS, ("val", DIRECTION): ACROSS, ("val", MONEY): ABOVE}, "No"),
        ({("oof", DIRECTION): ABOVE, ("val", DIRECTION): ABOVE}, "No"),
        ({("oof", DIRECTION): (0.0, 0.0, 0.0), ("oof", MONEY): ABOVE}, "No"),
        ({("val", DIRECTION): (float("nan"),) * 3, ("val", MONEY): ABOVE}, "No"),
        ({}, "No"),
    ],
)
def test_an_edge_is_spoken_of_only_where_direction_and_money_agree(cases, finding):
    last = _edge(cases)[-1]
    assert (
        last
        == {
            "every": "Both speak of an edge in every period shown; the sealed test has the last word.",
            "only": "Both speak of an edge in oof only; that is not enough to trade on.",
            "No": "No period shows an edge in direction and in money at once. That is the finding.",
        }[finding]
    )


def test_an_interval_that_is_not_known_is_not_said_to_contain_zero():
    said = _edge({("val", DIRECTION): (float("nan"),) * 3, ("val", MONEY): ABOVE})
    assert "contains zero" not in said[0]
    assert "not known" in said[0]
