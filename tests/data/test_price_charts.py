"""Price charts: the table, the windows and their splits, and every pixel of planted ones."""

import itertools
import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.base.errors import InputError
from darkroom.cli import main
from darkroom.data.sources import price_charts
from darkroom.data.sources.price_charts import SPLITS, label_of, left_out, newest, overlay_sets, samples
from darkroom.data.sources.price_tables import PriceSeries, read_table
from darkroom.inference import charts, images
from darkroom.params import AugmentationParams, PriceChartsParams
from darkroom.params.augmentation import NamedTransform, PolicyParams, ResizedCropParams
from darkroom.params.augmentation_checks import REFUSED_ON_CHARTS, reject_on_charts
from darkroom.params.price_charts import check_chart_size

DATES = {"validation": "2015-07-01", "test": "2015-10-01"}
START = date(2015, 1, 1)


def params_of(**values):
    """As they come from params.yaml, through JSON."""
    return PriceChartsParams.model_validate_json(json.dumps({"splits": DATES, **values}))


def walk(days, seed=0, start=START, step=1):
    """A table of random prices, one row for each day."""
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.02, days)))
    opened = close * np.exp(generator.normal(0, 0.01, days))
    high, low = (side(opened, close) * factor for side, factor in ((np.maximum, 1.01), (np.minimum, 0.99)))
    dates = [start + timedelta(days=step * number) for number in range(days)]
    return pd.DataFrame({"date": dates, "open": opened, "high": high, "low": low, "close": close})


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """A table of one year of one ticker."""
    path = tmp_path_factory.mktemp("prices") / "gold.csv"
    walk(365).to_csv(path, index=False)
    return path


# drawing

PLANTED = np.array([[2.0, 10, 0, 6], [7, 8, 4, 5]])  # a rising and a falling day


def planted(rising, falling, channels):
    """Their chart on 11 rows and 8 columns, drawn by hand: a price of 10 is row 0, one of 0 is row 10."""
    expected = np.zeros((11, 8, channels), dtype=np.uint8)
    expected[0:11, 2] = rising  # from low to high
    expected[4:9, 1:4] = rising  # from open to close
    expected[2:7, 6] = falling
    expected[3:6, 5:8] = falling
    return expected


@pytest.mark.parametrize("channels", [1, 3])
def test_bodies_and_wicks_are_where_the_prices_are(channels):
    rising, falling = (colour[0 if channels == 1 else 1] for colour in (charts.RISING, charts.FALLING))
    drawn = charts.draw(PLANTED, {}, "candlestick", (11, 8, channels))
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, planted(rising, falling, channels))


@pytest.mark.parametrize(("width", "body"), [(8, 3), (10, 3), (12, 5), (13, 5), (16, 7)])
def test_bodies_are_odd_and_apart(width, body):
    drawn = charts.draw(PLANTED, {}, "candlestick", (11, width, 1))[4, :, 0]
    assert [len(list(run)) for lit, run in itertools.groupby(drawn > 0) if lit] == [body, body]


def test_a_day_that_ends_as_it_began_is_a_dash():
    same = np.array([[5.0, 10, 0, 5], [5, 5, 5, 5]])
    drawn = charts.draw(same, {}, "candlestick", (11, 8, 1))[:, :, 0]
    assert drawn[5].tolist() == [0, 255, 255, 255, 0, 255, 255, 255]
    assert not drawn[np.arange(11) != 5][:, 4:].any()


@pytest.mark.parametrize("style", ["candlestick", "line"])
def test_prices_that_never_change_lie_in_the_middle(style):
    drawn = charts.draw(np.full((4, 4), 7.0), {5: np.full(4, 7.0)}, style, (9, 16, 1))
    assert drawn[4].any()
    assert not np.delete(drawn, 4, axis=0).any()


def test_an_average_is_drawn_at_its_value():
    # Ten days that rise by one; the mean of five of them lies 2 below the last one, from the fifth day on.
    closes = np.arange(10.0)
    prices = np.repeat(closes[:, None], 4, axis=1)
    average = charts.moving_average(closes, 5, 10)
    assert average[4:].tolist() == [2, 3, 4, 5, 6, 7]
    assert np.isnan(average[:4]).all()
    drawn = charts.draw(prices, {5: average}, "line", (10, 100, 1))[:, :, 0]
    for day in range(10):
        column = drawn[:, 10 * day + 5]
        assert column[9 - day] == charts.CLOSES[0]
        assert (column == charts.AVERAGES[5][0]).any() == (day >= 4)
        if day >= 4:
            assert column[9 - (day - 2)] == charts.AVERAGES[5][0]
    assert not (drawn[:, :45] == charts.AVERAGES[5][0]).any()


def test_of_averages_in_one_place_the_shortest_is_seen():
    average = np.full(2, 5.0)
    drawn = charts.draw(PLANTED, {10: average, 5: average, 252: average}, "candlestick", (11, 8, 1))[5, 2:7, 0]
    assert set(drawn) == {charts.AVERAGES[5][0]}


def test_an_average_far_away_is_on_the_chart_too():
    far = charts.draw(PLANTED, {252: np.array([20.0, 20.0])}, "candlestick", (21, 8, 1))[:, :, 0]
    assert (far[0, 2:7] == charts.AVERAGES[252][0]).all()
    np.testing.assert_array_equal(far[10:], planted(charts.RISING[0], charts.FALLING[0], 1)[:, :, 0])


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 60), st.sampled_from([5, 20, 252]))
def test_moving_averages_are_those_of_pandas(seed, days, count, over):
    closes = pd.Series(np.random.default_rng(seed).uniform(1, 100, days))
    count = min(count, days)
    expected = closes.rolling(over).mean().to_numpy()[-count:]
    np.testing.assert_allclose(charts.moving_average(closes.to_numpy(), over, count), expected)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 60), st.integers(40, 120))
def test_a_line_has_no_hole_and_nothing_leaves_the_chart(seed, days, height, width):
    prices = np.repeat(np.random.default_rng(seed).uniform(1, 100, days)[:, None], 4, axis=1)
    drawn = charts.draw(prices, {}, "line", (height, width, 1))[:, :, 0] > 0
    assert drawn[0].any()
    assert drawn[-1].any()
    columns = np.flatnonzero(drawn.any(axis=0))
    assert np.array_equal(columns, np.arange(columns[0], columns[-1] + 1))
    for one, other in itertools.pairwise(columns):
        rows, others = np.flatnonzero(drawn[:, one]), np.flatnonzero(drawn[:, other])
        assert len(rows) == rows[-1] - rows[0] + 1
        assert max(rows[0], others[0]) <= min(rows[-1], others[-1])
    # On each day itself the line passes through the pixel of its price.
    top, bottom = prices.max(), prices.min()
    places = (top - prices[:, 0]) / (top - bottom) * (height - 1)
    assert drawn[np.floor(places + 0.5).astype(int), (2 * np.arange(days) + 1) * width // (2 * days)].all()


def test_every_colour_is_another():
    for channel in (0, 1):
        colours = [each[channel] for each in (charts.RISING, charts.FALLING, *charts.AVERAGES.values())]
        assert len(set(colours)) == len(colours)


@pytest.mark.parametrize("size", [(40, 40, 1), (64, 48, 3), (30, 90, 3)])
@pytest.mark.parametrize("style", ["candlestick", "line"])
def test_preprocessing_leaves_every_pixel_of_a_chart(year, size, style):
    (chart, *_) = samples(year, params_of(window=10, style=style), size)
    pixels = chart.pixels()
    assert pixels.shape == size
    for aspect in ("stretch", "pad", "crop"):
        same = images.to_pixels(images.from_array(pixels), size, "lanczos", aspect)
        assert np.array_equal(same, pixels)


# the table

GOOD = "2015-01-02,10,12,9,11"


def table(tmp_path, *rows, header="date,open,high,low,close"):
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2015-01-03,10,12,9,"], "line 3: close is missing; expected a number above 0"),
        (["2015-01-03,10,12,9"], "line 3: close is missing"),
        (["2015-01-03,10,12,n/a,11"], "line 3: low 'n/a' given; expected a number above 0"),
        (["2015-01-03,nan,12,9,11"], "line 3: open 'nan' given"),
        (["2015-01-03,10,inf,9,11"], "line 3: high 'inf' given"),
        (["2015-01-03,10,12,0,11"], "line 3: low '0' given; expected a number above 0"),
        (["2015-01-03,-10,12,9,11"], "line 3: open '-10' given; expected a number above 0"),
        (["", "2015-01-03,10,10.5,9,11"], "line 4: high is below another price (open 10, high 10.5, low 9, close 11)"),
        (["2015-01-03,10,12,10.5,11"], "line 3: low is above another price"),
        (["2015-01-03,10,8,9,8.5"], "line 3: high is below another price"),
        (["2.1.2015,10,12,9,11"], "line 3: date '2.1.2015' given; expected a day such as 2015-03-02"),
        (["2015-02-30,10,12,9,11"], "line 3: date '2015-02-30' given"),
        ([",10,12,9,11"], "line 3: date '' given"),
        ([GOOD], "line 3: prices: 2015-01-02 is repeated"),
        (["2015-01-01,10,12,9,11"], "line 3: prices: 2015-01-01 comes after 2015-01-02; sort"),
        (["2015-01-09,10,12,9,11", "2015-01-17,10,12,9,11"], "line 4: prices: 2015-01-17 is 8 days after 2015-01-09"),
        (
            ["2015-01-03,10,12,9,11,5"],
            "not readable as CSV (Error tokenizing data. C error: Expected 5 fields in line 3",
        ),
    ],
)
def test_what_is_wrong_with_a_row(tmp_path, rows, words):
    path = table(tmp_path, GOOD, *rows)
    with pytest.raises(InputError) as caught:
        read_table(path, 7)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("date,open,high,low\n", "line 1: column close is missing"),
        ("ticker,date,Open,high,low,CLOSE,close\n", "line 1: column close is repeated"),
        ("", "not readable as CSV"),
        ("date,open,high,low,close\n\n", "no row of prices"),
        ("ticker,date,open,high,low,close\n ,2015-01-02,10,12,9,11\n", "line 2: no ticker"),
        (b"date,\xff\n", "not readable as CSV"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, content, words):
    path = tmp_path / "prices.csv"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read_table(path, 7)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gap_may_be_as_long_as_it_is_allowed_to_be(tmp_path):
    path = table(tmp_path, GOOD, "2015-01-09,10,12,9,11")
    assert len(read_table(path, 7)[0].days) == 2
    with pytest.raises(InputError, match=r"line 3.*maximum_gap = 6 are allowed"):
        read_table(path, 6)


def test_headers_and_dates_as_they_are_found(tmp_path):
    header = "\ufeff,Volume, HIGH,Close,date,Low,Open"
    rows = ["0,9,12,11,2015-01-02 00:00:00-05:00,9,10", "", '1,9,"12",11,2015-01-03T00:00,9,10', "", ""]
    (series,) = read_table(table(tmp_path, *rows, header=header), 7)
    assert series.ticker == "prices"
    assert series.days.astype(str).tolist() == ["2015-01-02", "2015-01-03"]
    assert series.prices.tolist() == [[10, 12, 9, 11]] * 2


def test_tickers_may_be_mixed_and_are_checked_apart(tmp_path):
    rows = ["NAN,2015-01-05,1,1,1,1", f"A,{GOOD}", "NAN,2015-01-06,2,2,2,2", "A,2015-01-05,10,12,9,11"]
    header = "ticker,date,open,high,low,close"
    one, other = read_table(table(tmp_path, *rows, header=header), 7)
    assert (one.ticker, one.closes.tolist()) == ("NAN", [1, 2])
    assert (other.ticker, other.closes.tolist()) == ("A", [11, 11])
    rows[3] = "A,2015-01-20,10,12,9,11"
    with pytest.raises(InputError, match="line 5: A: 2015-01-20 is 18 days after 2015-01-02"):
        read_table(table(tmp_path, *rows, header=header), 7)


# windows and their splits


@st.composite
def tables(draw):
    """A few tickers with their own beginnings, ends and weekends, and how charts are to be made of them."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        gaps = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(1, 5, draw(st.integers(1, 80)))
        days = np.datetime64(START + timedelta(draw(st.integers(0, 60)))) + np.cumsum(gaps)
        found.append(PriceSeries(f"T{number}", days, np.full((len(days), 4), 10.0)))
    first = START + timedelta(draw(st.integers(0, 200)))
    splits = {"validation": str(first), "test": str(first + timedelta(draw(st.integers(1, 100))))}
    sizes = {name: draw(st.integers(low, 12)) for name, low in (("window", 2), ("stride", 1), ("horizon", 1))}
    return found, params_of(splits=splits, **sizes)


def spans(found, params):
    """First day, deciding day and split of every window that is not left out."""
    windows = (window for series in found for window in price_charts.windows(series, params))
    placed = ((window, price_charts.split_of(window, params.splits)) for window in windows)
    return [(window.first_day, window.last_day, split) for window, split in placed if split]


def overlap(found):
    """Whether any two windows of different splits have a day in common."""
    return any(
        one[2] != other[2] and one[0] <= other[1] and other[0] <= one[1]
        for one, other in itertools.combinations(set(found), 2)
    )


@given(tables())
@settings(max_examples=200)
def test_no_two_windows_of_different_splits_share_a_day(made):
    found, params = made
    kept = spans(found, params)
    assert not overlap(kept)
    for first, last, split in kept:
        inside = {
            "train": last < str(params.splits.validation),
            "validation": str(params.splits.validation) <= first and last < str(params.splits.test),
            "test": first >= str(params.splits.test),
        }
        assert inside[split]
    # Nothing is left out but what crosses a border.
    total = sum(len(range(0, len(s.days) - params.window - params.horizon + 1, params.stride)) for s in found)
    borders = [str(params.splits.validation), str(params.splits.test)]
    every = [window for series in found for window in price_charts.windows(series, params)]
    crossing = sum(any(w.first_day < border <= w.last_day for border in borders) for w in every)
    assert len(kept) == total - crossing


def test_without_the_gap_windows_would_overlap(year, monkeypatch):
    found, params = read_table(year, 7), params_of()
    assert not overlap(spans(found, params))
    of_day = price_charts._split_of_day  # noqa: SLF001
    monkeypatch.setattr(price_charts, "split_of", lambda window, splits: of_day(window.first_day, splits))
    assert overlap(spans(found, params))


def test_the_days_that_decide_count_too(year, monkeypatch):
    found, params = read_table(year, 7), params_of(window=2, horizon=40)
    assert not overlap(spans(found, params))
    of_day = price_charts._split_of_day  # noqa: SLF001

    def of_what_is_drawn(window, splits):
        drawn = {of_day(str(window.series.days[row]), splits) for row in range(window.start, window.end)}
        return drawn.pop() if len(drawn) == 1 else None

    monkeypatch.setattr(price_charts, "split_of", of_what_is_drawn)
    assert overlap(spans(found, params))


def test_what_is_left_out_is_named(tmp_path):
    path = tmp_path / "two.csv"
    pd.concat([walk(365).assign(ticker="OLD"), walk(20).assign(ticker="NEW")]).to_csv(path, index=False)
    params = params_of(stride=10)
    # The 25 days from these on reach over a border.
    starts = ["2015-06-10", "2015-06-20", "2015-06-30", "2015-09-08", "2015-09-18", "2015-09-28"]
    assert [name[:14] for name in left_out(path, params)] == [f"OLD/{day}" for day in starts] + ["NEW"]
    kept = {chart.name.rpartition("/")[0] for chart in samples(path, params, (40, 80, 1))}
    assert len(kept) + 6 == len(range(0, 365 - 25 + 1, 10))


def test_labels_follow_from_the_return():
    params = params_of(classes={"labels": ["down", "flat", "up"], "thresholds": [-0.01, 0.01]})
    returns = [-0.5, -0.0101, -0.01, 0, 0.0099, 0.01, 3]
    assert [label_of(each, params) for each in returns] == ["down", "down", "flat", "flat", "flat", "up", "up"]


def test_each_chart_is_labelled_by_its_own_future(year):
    params = params_of(window=10, stride=3, horizon=7, variants=1)
    prices = pd.read_csv(year, index_col="date")
    forward = prices["close"].shift(-7) / prices["close"] - 1
    found = samples(year, params, (40, 40, 1))
    for chart in found:
        end = chart.name.split("/")[1][11:]
        assert chart.label == ("up" if forward[end] >= 0 else "down")
        assert prices.index.get_loc(chart.last_day) - prices.index.get_loc(chart.first_day) == 10 + 7 - 1
    assert {chart.label for chart in found} == {"up", "down"}
    assert {chart.split for chart in found} == set(SPLITS)


def test_a_split_without_a_chart_is_named(year):
    late = params_of(splits={"validation": "2015-07-01", "test": "2016-02-01"})
    with pytest.raises(InputError, match=r"no test chart: the table covers 2015-01-01 to 2015-12-31.*25 trading"):
        samples(year, late, (40, 80, 1))


def test_groups_hold_windows_that_overlap_and_lie_in_one_split(tmp_path):
    path = tmp_path / "two.csv"
    pd.concat([walk(365, number).assign(ticker=f"T{number}") for number in range(2)]).to_csv(path, index=False)
    found = samples(path, params_of(stride=2), (40, 80, 1))
    of_group = {}
    for chart in found:
        of_group.setdefault(chart.group, []).append(chart)
    assert len(of_group) > 8
    for charts_of in of_group.values():
        assert len({(chart.split, chart.name.split("/")[0]) for chart in charts_of}) == 1
        assert max(chart.first_day for chart in charts_of) <= min(chart.last_day for chart in charts_of)


# the variants


@pytest.mark.slow
@given(st.sets(st.sampled_from([5, 10, 20, 50, 100, 252])), st.integers(1, 70), st.text(max_size=5))
def test_sets_of_overlays(overlays, count, key):
    overlays = tuple(sorted(overlays))
    chosen = overlay_sets(overlays, count, key)
    assert chosen == overlay_sets(overlays, count, key)
    assert chosen[0] == overlays
    assert len(set(chosen)) == len(chosen) == min(count, 2 ** len(overlays))
    assert all(set(some) <= set(overlays) and list(some) == sorted(some) for some in chosen)


def test_training_windows_vary_and_others_show_all(year):
    params = params_of(variants=3)
    found = samples(year, params, (60, 80, 1))
    assert len({chart.name for chart in found}) == len(found)
    by_window = {}
    for chart in found:
        window, _, drawn = chart.name.rpartition("/")
        by_window.setdefault((window, chart.split, chart.label, chart.group), []).append((drawn, chart))
    for (_, split, _, _), variants in by_window.items():
        assert len(variants) == (3 if split == "train" else 1)
        pictures = {chart.pixels().tobytes() for _, chart in variants}
        assert len(pictures) == len(variants)
    assert len({window for window, *_ in by_window}) == len(by_window)
    # An average of 100 days appears with the hundredth day, one of 252 not before autumn.
    for chart in found:
        first = (date.fromisoformat(chart.first_day) - START).days
        drawn = chart.name.rpartition("/")[2]
        assert "100" not in drawn or first + 20 >= 100
        if chart.split == "test":
            expected = "5-10-20-50-100-252" if first + 20 >= 252 else "5-10-20-50-100"
            assert drawn == f"ma{expected}"
    seeds = [
        [chart.name for chart in samples(year, params_of(variants=3, seed=seed), (60, 80, 1))] for seed in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1] != seeds[2]


def test_no_averages(year):
    found = samples(year, params_of(moving_averages=[]), (60, 80, 1))
    assert {chart.name.rpartition("/")[2] for chart in found} == {"plain"}


def test_the_days_before_change_no_pixel(year, tmp_path):
    """A table that begins later draws the same, as long as it goes as far back as the averages."""
    params, rows = params_of(), pd.read_csv(year)
    rows.iloc[-(252 + 20) :].to_csv(tmp_path / "gold.csv", index=False)
    (whole,), (part,) = read_table(year, 7), read_table(tmp_path / "gold.csv", 7)
    assert newest(whole, params, (60, 80, 3))[0] == newest(part, params, (60, 80, 3))[0]
    assert np.array_equal(newest(whole, params, (60, 80, 3))[1], newest(part, params, (60, 80, 3))[1])


@pytest.mark.parametrize("style", ["candlestick", "line"])
def test_the_newest_chart_is_that_of_a_test_when_its_future_is_known(year, tmp_path, style):
    params, size = params_of(style=style), (60, 80, 3)
    chart = samples(year, params, size)[-1]
    assert chart.split == "test"
    rows = pd.read_csv(year)
    end = chart.name.split("/")[1][11:]
    rows[rows["date"] <= end].to_csv(tmp_path / "gold.csv", index=False)
    (series,) = read_table(tmp_path / "gold.csv", 7)
    name, pixels = newest(series, params, size)
    assert name == chart.name.rpartition("/")[0]
    assert np.array_equal(pixels, chart.pixels())
    with pytest.raises(InputError, match="gold: 5 days given, but a chart needs 20"):
        newest(PriceSeries("gold", series.days[:5], series.prices[:5]), params, size)


# the parameters


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"window": 1}, "greater than or equal to 2"),
        ({"stride": 0}, "greater than or equal to 1"),
        ({"style": "bars"}, "'candlestick' or 'line'"),
        ({"moving_averages": [5, 7]}, "5, 10, 20, 50, 100 or 252"),
        ({"moving_averages": [5, 5]}, "moving_averages lists a length twice"),
        ({"splits": {"validation": "2015-07-01"}}, "Field required"),
        ({"splits": {"validation": "2015-07-01", "test": "2015-07-01"}}, "is not before test 2015-07-01"),
        ({"splits": {"validation": "July", "test": "2015-07-01"}}, "should be a valid date"),
        ({"classes": {"labels": ["up"], "thresholds": []}}, "1 labels and 0 thresholds"),
        ({"classes": {"labels": ["down", "up"], "thresholds": [0.0, 0.1]}}, "2 labels and 2 thresholds"),
        ({"classes": {"labels": ["up", "up"], "thresholds": [0.0]}}, "a label occurs twice"),
        ({"classes": {"labels": ["a", "b", "c"], "thresholds": [0.1, 0.1]}}, "thresholds do not increase"),
        ({"classes": {"labels": ["a", "b"], "thresholds": [-1]}}, "greater than -1"),
        ({"ticker": "A"}, "Extra inputs"),
    ],
)
def test_parameters_that_are_refused(values, words):
    with pytest.raises(ValueError, match=r"validation error") as caught:
        params_of(**values)
    assert words in str(caught.value)


def test_what_travels_comes_back():
    params = params_of(moving_averages=[20, 5], style="line")
    assert PriceChartsParams.model_validate_json(json.dumps(params.model_dump(mode="json"))) == params


def test_every_augmentation_is_refused_or_moves_nothing():
    reject_on_charts(AugmentationParams())
    harmless = {"erase": 0.2, "brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "blur": 1.0, "jpeg": 50}
    reject_on_charts(AugmentationParams(**harmless))
    assert {*REFUSED_ON_CHARTS, *harmless, "transforms"} == set(AugmentationParams.model_fields)
    whole = {"resized_crop": ResizedCropParams(), "policy": PolicyParams(name="trivial_augment")}
    for name in REFUSED_ON_CHARTS:
        value = whole.get(name, True if name.endswith("flip") else 1 if name == "crop" else 0.1)
        with pytest.raises(InputError, match=rf"^train\.mlp\.augmentation: {name} would change the meaning") as caught:
            reject_on_charts(AugmentationParams(**{name: value}), "train.mlp.augmentation")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="rotation, horizontal_flip would change"):
        reject_on_charts(AugmentationParams(rotation=1.0, horizontal_flip=True))
    reject_on_charts(AugmentationParams(transforms=(NamedTransform(name="GaussNoise"),)))
    with pytest.raises(InputError, match="Perspective would change"):
        reject_on_charts(AugmentationParams(transforms=(NamedTransform(name="Perspective"),)))


def test_the_width_that_the_days_need(year):
    check_chart_size(params_of(), (10, 80, 1))
    check_chart_size(params_of(style="line"), (10, 20, 1))
    for style, width in (("candlestick", 79), ("line", 19)):
        with pytest.raises(InputError, match=f"a width of {width} is too small for a {style} chart of 20 days"):
            samples(year, params_of(style=style), (80, width, 1))


# predict


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name either images"),
        (["a.png", "--table", "prices.csv"], "name either images"),
        (["a.png", "--ticker", "A"], "name either images"),
        (["--table", "prices.csv"], "prices.csv: no such file"),
    ],
)
def test_predict_wants_images_or_a_table(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.slow
def test_predict_draws_as_the_model_was_trained(tmp_path, monkeypatch, capsys):
    from darkroom.base.files import read_json, write_json
    from darkroom.data.prepared.datasets import Description
    from darkroom.networks import inference
    from darkroom.registry import packages
    from darkroom.tracking import runs, store
    from support.networks import GREY, build, description

    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    network = build("mlp", classes=2)
    network.save(tmp_path / "mlp.keras")
    params = params_of(window=7, moving_averages=[5, 20])
    uris = {}
    store.open_store()
    description(GREY, 2).write("images.json")
    write_json("charts.json", {**read_json("images.json"), "price_charts": params.model_dump(mode="json")})
    assert Description.read("charts.json").price_charts == params.model_dump(mode="json")
    for kind in ("images", "charts"):
        with runs.start_run(kind, "train", {"network": "mlp"}) as run:
            uris[kind] = packages.log_model(run, tmp_path / "mlp.keras", f"{kind}.json")

    parts = [walk(days, days).assign(ticker=f"T{days}") for days in (300, 3, 40)]
    pd.concat(parts).to_csv("prices.csv", index=False)
    drawn = [newest(s, params, (28, 28, 1)) for s in read_table("prices.csv", 7) if len(s.days) > 3]
    expected = inference.probabilities(network, np.stack([pixels for _, pixels in drawn]))

    assert main(["predict", "--model", uris["charts"], "--table", "prices.csv", "--json"]) == 2
    printed = capsys.readouterr()
    answers = json.loads(printed.out)
    assert [answer["image"] for answer in answers] == [name for name, _ in drawn]
    np.testing.assert_allclose([list(answer["probabilities"].values()) for answer in answers], expected, atol=1e-6)
    assert printed.err.splitlines()[-1] == "darkroom predict: T3: 3 days given, but a chart needs 7; provide more days"

    assert main(["predict", "--model", uris["charts"], "--table", "prices.csv", "--ticker", "T40"]) == 0
    assert capsys.readouterr().out.startswith("T40/2015-02-03-2015-02-09  ")
    for kind, ticker, words in (
        ("charts", "T41", "no ticker T41"),
        ("images", "T40", "was not trained on price charts"),
    ):
        assert main(["predict", "--model", uris[kind], "--table", "prices.csv", "--ticker", ticker]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


# real prices


@pytest.mark.slow
@pytest.mark.parametrize("style", ["candlestick", "line"])
def test_twenty_years_of_the_standard_and_poor_index(tmp_path, style):
    sp500 = pytest.importorskip("arch.data.sp500").load()
    path = tmp_path / "sp500.csv"
    sp500.to_csv(path)
    classes = {"labels": ["down", "flat", "up"], "thresholds": [-0.01, 0.01]}
    splits = {"validation": "2010-01-01", "test": "2014-01-01"}
    params = params_of(style=style, classes=classes, splits=splits)
    found = samples(path, params, (64, 96, 3))
    forward = (sp500["Close"].shift(-5) / sp500["Close"] - 1).rename(index=lambda day: str(day.date()))
    returns = np.array([forward[chart.name.split("/")[1][11:]] for chart in found])
    expected = np.where(returns < -0.01, "down", np.where(returns < 0.01, "flat", "up"))
    assert [chart.label for chart in found] == expected.tolist()
    days = {split: [(c.first_day, c.last_day) for c in found if c.split == split] for split in SPLITS}
    for one, other in itertools.pairwise(SPLITS):
        assert max(last for _, last in days[one]) < min(first for first, _ in days[other])
    windows = len(range(0, len(sp500) - 24, 5))
    assert len({chart.name.rpartition("/")[0] for chart in found}) + len(left_out(path, params)) == windows
    pictures = {chart.pixels().tobytes() for chart in found}
    # Averages that coincide for a whole month would make two pictures one.
    assert len(pictures) == len(found)

    # The closure after the attacks of September 2001 is the longest.
    assert len(read_table(path, 7)[0].days) == 5031
    with pytest.raises(InputError, match="2001-09-17 is 7 days after 2001-09-10"):
        read_table(path, 6)
