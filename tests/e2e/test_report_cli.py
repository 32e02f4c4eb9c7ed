"""Report, export and plot from the command line."""

import json

import pytest

import findings_fixture as fixture

EXPIRES = "2999-12-31"


def test_levels_are_written_beside_each_other_and_need_their_terms(stillwatch, tmp_path):
    folder = fixture.typical(tmp_path / "findings")
    assert stillwatch("report", folder).out.strip() == str(folder / "report.html")
    made = stillwatch("report", folder, "--level", "partner", "--purpose", "joint defence", "--expires", EXPIRES)
    assert made.code == 0
    assert made.out.strip() == str(folder / "report-partner.html")
    assert "TLP:AMBER" in made.err
    for options, said in ((["--level", "partner", "--expires", EXPIRES], "needs a purpose"),
                          (["--level", "public", "--purpose", "press"], "needs an expiry"),
                          (["--level", "secret"], "no level"), (["--campaign", "nobody"], "no campaign nobody"),
                          (["--sign-off", str(tmp_path / "none.json")], "no file of sign-offs")):
        refused = stillwatch("report", folder, *options)
        assert refused.code == 2
        assert said in refused.err
        assert "Hint:" in refused.err
    purpose = "about org-c4e1-00003"
    leaking = stillwatch("report", folder, "--level", "public", "--purpose", purpose, "--expires", EXPIRES)
    assert leaking.code == 2
    assert "org-c4e1-00003" not in leaking.err
    assert not (folder / "report-public.html").exists()


def test_prices_and_decided_cases_are_on_the_page_where_they_are_given(stillwatch, tmp_path):
    folder = fixture.typical(tmp_path / "findings")
    cases = tmp_path / "cases.db"
    (tmp_path / "prices.yaml").write_text("currency: EUR\nmodels:\n  'example-*': {input: 1, output: 5}\n")
    for arguments in (("audit-sample", folder, "--size", 3, "--seed", 1, "--reason", "first"),
                      ("dismiss", "1", "--as", "education", "--reason", "a class")):
        assert stillwatch("case", *arguments, "--store", cases, "--by", "Ann").code == 0
    done = stillwatch("report", folder, "--prices", tmp_path / "prices.yaml", "--cases", cases)
    assert done.code == 0, done.err
    page = (folder / "report.html").read_text("utf-8")
    assert "At the prices given, these tokens come to EUR" in page
    assert "Chance drew 3 cases; 1 is decided, 0 of them confirmed." in page
    told = stillwatch("case", "calibration", "--store", cases, "--json").json
    assert (told["drawn"], told["decided"], told["confirmed"]) == (3, 1, 0)
    assert "Nothing is changed by it" in " ".join(stillwatch("case", "calibration", "--store", cases).out.split())
    for options, said in ((["--cases", tmp_path / "none.db"], "no case store"),
                          (["--prices", tmp_path / "none.yaml"], "no price list"),
                          (["--prices", folder / "summary.json"], "line 1: ")):
        refused = stillwatch("report", folder, *options)
        assert refused.code in (1, 2)
        assert said in refused.err
        assert "Hint:" in refused.err


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_export_says_how_many_rows_it_wrote(form, stillwatch, tmp_path):
    folder = fixture.typical(tmp_path / "findings")
    done = stillwatch("export", folder, "--out", tmp_path / "tables", "--format", form, "--json")
    assert done.code == 0
    assert done.json["rows"]["members"] == 252
    assert (tmp_path / "tables" / f"members.{form}").is_file()
    assert json.loads((tmp_path / "tables" / "export.json").read_text())["rows"] == done.json["rows"]
    assert stillwatch("export", folder, "--out", tmp_path / "tables", "--table", "nothing").code == 2


def test_plot_draws_a_campaign(stillwatch, tmp_path):
    folder = fixture.typical(tmp_path / "findings")
    done = stillwatch("plot", folder, "--out", tmp_path / "campaign.svg")
    assert (done.code, done.out.strip()) == (0, str(tmp_path / "campaign.svg"))
    assert stillwatch("plot", folder, "--out", tmp_path / "campaign.gif").code == 2
