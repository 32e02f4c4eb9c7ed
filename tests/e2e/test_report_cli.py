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
