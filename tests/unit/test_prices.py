"""What a campaign's tokens come to at given prices, and which price lists are refused where."""

from __future__ import annotations

from pathlib import Path

import pytest

import findings_fixture as fixture
from page_fixture import Parsed
from stillwatch.errors import InputError, UsageError
from stillwatch.report import disclosure, load_prices, render_html
from stillwatch.report.prices import Price, Prices

YAML = """currency: usd
models:
  example-large: {input: 3, output: 15.0, cached: 0.3}
  "example-*": {input: 0.25, output: 1.25}
"""
CSV = ("model,input,output,cached,input_includes_cached,currency\n"
       "example-large,3,15,0.3,,USD\nexample-*,0.25,1.25,,yes,USD\n")


def listed(folder: Path, text: str, name: str = "prices.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    prices = load_prices(listed(tmp_path, YAML))
    assert prices == load_prices(listed(tmp_path, CSV, "prices.csv"))
    assert prices.currency == "USD"
    assert [prices.find(name) and prices.find(name).model for name in ("example-large", "example-small", "other")] == [
        "example-large", "example-*", None]


@pytest.mark.parametrize(("price", "amount"), [
    (Price("m", 2.0, 10.0), 2.0 + 5.0),  # a million in, half a million out, a quarter of the input from a cache
    (Price("m", 2.0, 10.0, 0.2), 1.5 + 0.05 + 5.0),
    (Price("m", 2.0, 10.0, 0.2, input_includes_cached=False), 2.0 + 0.05 + 5.0),
    (Price("m", 2.0, 10.0, None, input_includes_cached=False), 2.5 + 5.0),
])
def test_a_million_tokens_cost_their_price(price: Price, amount: float) -> None:
    assert price.of(1_000_000, 500_000, 250_000) == pytest.approx(amount)


def test_what_has_no_price_or_no_count_is_counted_apart() -> None:
    prices = Prices("EUR", (Price("example-large", 3.0, 15.0, 0.3),))
    cost = prices.cost(fixture.usage("c1", 2))
    # 1,000 exchanges of 310 tokens, 10 of them cached, and 1,480.
    assert cost.amount == pytest.approx((300 * 3 + 10 * 0.3 + 1480 * 15) * 1000 / 1e6)
    assert (cost.exchanges, cost.no_price, cost.no_tokens) == (1284, 200 + 84, 6)
    assert [line.model for line in cost.lines] == ["example-large", "example-small-v2", ""]
    assert "284 exchanges of models without a price" in cost.not_priced
    assert "6 exchanges without both token counts" in cost.not_priced
    nothing = Prices("EUR", (Price("x", 1.0, 1.0),)).cost(fixture.usage("c1", 2))
    assert (nothing.amount, nothing.said) == (None, "nothing is priced")
    public = cost.rounded(2)
    assert (public.lines, public.amount, public.no_price) == ((), pytest.approx(23.0), 280)


def test_the_page_shows_costs_with_what_is_not_priced_and_others_the_sum_alone(tmp_path: Path) -> None:
    folder = fixture.typical(tmp_path / "f")
    prices = load_prices(listed(tmp_path, YAML))
    words = Parsed(render_html(folder, prices=prices).read_text("utf-8")).words
    cost = prices.cost(fixture.usage("c4e1d0a92b7f", 60))
    for said in (f"At the prices given, these tokens come to {cost.said}", "2,520 exchanges of models without a price",
                 "example-small-v2", "(none named)", "no price", "not what anybody paid"):
        assert said in words
    for level in ("partner", "public"):
        made = render_html(folder, None, disclosure(level, "defence", "2999-12-31"), prices=prices)
        shared = Parsed(made.read_text("utf-8")).words
        assert "At the prices given, these tokens come to USD" in shared
        assert "example-small" not in shared
        assert (cost.said in shared) is (level == "partner")
    assert "At the prices given" not in Parsed(render_html(folder).read_text("utf-8")).words


@pytest.mark.parametrize(("text", "name", "said"), [
    ("currency: USD\nmodels:\n  a: {input: 1}\n", "p.yaml", "line 3: output is missing"),
    ("currency: USD\nmodels:\n  a: {input: 1, output: x}\n", "p.yaml", "line 3: output 'x' is no price"),
    ("currency: USD\nmodels:\n  a: {input: -1, output: 1}\n", "p.yaml", "line 3: input '-1' is no price"),
    ("currency: USD\nmodels:\n  a: {input: .nan, output: 1}\n", "p.yaml", "is no price"),
    ("currency: USD\nmodels:\n  a:\n    input: 1\n    output: 1\n    price: 2\n", "p.yaml", "'price' is no part"),
    ("currency: USD\nmodels:\n  a: {input: 1, output: 1}\n  a: {input: 2, output: 1}\n", "p.yaml",
     "line 4: 'a' is there"),
    ("currency: dollars\nmodels: {}\n", "p.yaml", "line 1: 'dollars' is no currency"),
    ("models:\n  a: {input: 1, output: 1}\n", "p.yaml", "currency is missing"),
    ("currency: USD\nmodels: {}\n", "p.yaml", "holds no price"),
    ("- a\n", "p.yaml", "is not names with values"), ("", "p.yaml", "line 1"), ("a: [\n", "p.yaml", "no valid YAML"),
    ("a: &a [*a]\n", "p.yaml", "line"),
    ("model,input,output,currency\na,1,USD\n", "p.csv", "line 2: it has not as many"),
    ("model,input,output,currency\na,1,1,USD\nb,1,1,EUR\n", "p.csv", "line 3: EUR after USD"),
    ("model,input,output,currency\na,1,1,USD\na,1,1,USD\n", "p.csv", "line 3: 'a' has a price already"),
    ("model,input,output\na,1,1\n", "p.csv", "line 1: currency is missing"), ("", "p.csv", "line 1: model is missing"),
    ("model,input,output,cached,input_includes_cached,currency\na,1,1,,maybe,USD\n", "p.csv", "neither true nor false"),
])
def test_a_price_list_that_is_wrong_is_refused_by_its_line(text: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prices" if not said else None) as raised:
        load_prices(listed(tmp_path, text, name))
    assert said in raised.value.message
    assert raised.value.remedy


def test_a_price_list_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no price list"):
        load_prices(tmp_path / "none.yaml")
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_prices(tmp_path / "p.yaml")
