"""What people see of an evaluation: the terminal's tables and the pictures."""

import io
import json
import re
import sys
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console

from evaluate_oracle import world, write
from stillwatch.errors import StillwatchError, UsageError
from stillwatch.proof.evaluate import evaluate, figures, pooled
from stillwatch.report.clean import clean
from stillwatch.report.evaluation import render_evaluation, share
from stillwatch.report.evaluation_plots import FORMATS, plot_evaluation

HOSTILE = "[red]\x1b[2J\u202e<script>$\\frac{1}{0}$"


def shown(told, width=100):
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, color_system=None)
    for part in render_evaluation(told):
        console.print(part)
    return stream.getvalue()


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Figures of three runs, one of them and all together."""
    runs = [evaluate(*write(world(seed), tmp_path_factory.mktemp("run")), name=f"seed {seed}") for seed in (1, 2, 12)]
    return [figures(runs[0]), figures(pooled(runs))]


def test_people_see_the_conclusion_first_and_every_campaign(several):
    for told in several:
        text = shown(told)
        recovered = told["campaigns_recovered"]
        assert f"{recovered['count']} OF {recovered['of']} TRUE CAMPAIGN" in text.splitlines()[0]
        wronged = told["accounts"]["fp"]
        assert (f"{wronged} ACCOUNTS WRONGLY ACCUSED" if wronged > 1 else "WRONGLY ACCUSED") in text.splitlines()[0]
        assert max(map(len, text.splitlines())) <= 100
        assert "…" not in "".join(re.findall(r"\d+\.?\d*%?…", text)), "no figure is cut"
        for one in told["campaigns"]:
            assert clean(one["campaign"])[:4] in text
        for name in ("accounts", "exchanges"):
            assert share(told[name]["precision"]) in text
            assert share(told[name]["recall"]) in text
        for fails in told["wrongly_accused"]["fails"]:
            assert f"UNFAIR: {fails['attribute']} {fails['value']}" in text


def test_what_is_not_known_is_said(tmp_path):
    findings, traffic = write(world(3), tmp_path, beside=False)
    (traffic / "truth/exchanges.parquet").unlink()
    (findings / "summary.json").write_text("{]")
    text = " ".join(shown(figures(evaluate(findings, traffic))).split())
    for said in ("of how many is not known", "one side names no exchanges", "What could not be told",
                 "nothing by language", "what the scan took is not known"):
        assert said in text


def test_nothing_at_all_can_be_shown(tmp_path):
    told = figures(evaluate(*write({name: [] for name in world(0)}, tmp_path)))
    text = shown(told)
    assert "THERE IS NO TRUE CAMPAIGN" in text
    assert plot_evaluation(told, tmp_path / "plots") == []


def hostile(told):
    """Every name in the figures as an attacker would choose it."""
    text = json.dumps(told)
    for one in [*told["campaigns"], *told["groups"]]:
        text = text.replace(json.dumps(one["campaign"]), json.dumps(one["campaign"] + HOSTILE))
    return json.loads(text.replace('"DE"', json.dumps("DE" + HOSTILE)))


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_names_neither_act_nor_break_anything(form, several, tmp_path):
    told = hostile(several[1])
    text = shown(told)
    assert "\x1b" not in text
    assert "\u202e" not in text
    for path in plot_evaluation(told, tmp_path, form):
        if form == "svg":
            root = ET.fromstring(path.read_bytes())
            assert not [node for node in root.iter() if node.tag.endswith("script")]


@pytest.mark.parametrize("form", FORMATS)
def test_pictures_are_of_their_format_and_the_same_each_time(form, several, tmp_path):
    made = plot_evaluation(several[1], tmp_path / "one", form)
    assert [path.stem for path in made] == ["reliability", "recall", "verdicts", "gone"]
    again = plot_evaluation(several[1], tmp_path / "two", form)
    for path, other in zip(made, again, strict=True):
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG" if form == "png" else b"<?xml")
        assert data == other.read_bytes()
    if form == "svg":
        text = (tmp_path / "one/recall.svg").read_text()
        assert all(clean(one["campaign"])[:2] in text for one in several[1]["campaigns"])


def test_a_picture_that_cannot_be_made_is_refused_with_a_remedy(several, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="'pdf'"):
        plot_evaluation(several[0], tmp_path, "pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(StillwatchError, match="failed"):
        plot_evaluation(several[0], tmp_path / "file")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="matplotlib") as raised:
        plot_evaluation(several[0], tmp_path)
    assert "stillwatch[plots]" in raised.value.remedy


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.0, "0%"), (1.0, "100%"), (0.99999, ">99.9%"),
                                             (1e-9, "<0.1%"), (0.5, "50.0%"), (0.999, "99.9%")])
def test_rates_are_never_rounded_to_all_or_nothing(value, text):
    assert share(value) == text


def test_a_failing_group_is_said_in_words(tmp_path):
    made = world(1, accounts=300, groups=0, candidates=1)
    for number, row in enumerate(made["private"]):
        row["vpn"] = number < 100
    made["campaigns"] = [{"campaign_id": "c0", "verdict": "distillation", "probability": 0.95, "q_value": 0.001}]
    made["members"] = [{"campaign_id": "c0", "account_id": row["account_id"], "probability": 0.9}
                       for row in made["private"][:30]]
    made["rows"] = []
    told = figures(evaluate(*write(made, tmp_path)))
    assert {"attribute": "vpn", "value": "yes"} in told["wrongly_accused"]["fails"]
    assert "UNFAIR: vpn yes is accused over 1.25 times as often as all others" in shown(told)
