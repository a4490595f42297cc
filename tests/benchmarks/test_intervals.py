import pytest

from benchmarks.intervals import markdown

THIRDS = [{"coverage": 70.0}, {"coverage": 80.0}, {"coverage": 90.0}]


def kind(width, exponent):
    content = {"crps": width, "interval_targets": [{"exponent": exponent}]}
    for level in (80, 95):
        content |= {f"coverage_{level}": level - width, f"width_{level}": width}
        content |= {f"winkler_{level}": 2 * width, f"adaptive_coverage_{level}": float(level)}
        content |= {f"adaptive_width_{level}": 3 * width}
    intervals = [{"interval": level, "terciles": THIRDS} for level in ("80", "95")]
    return content | {"intervals": intervals}


@pytest.fixture
def tables():
    """Rows of cells of both tables."""
    records = [
        {"series": "a", "constant": kind(1.0, 0.0), "auto": kind(4.0, 0.5)},
        {"series": "b", "constant": kind(1.0, 0.0), "auto": kind(1.0, 0.0)},
    ]
    first, second = markdown(records).strip().split("\n\n")
    return [
        [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
        for text in (first, second)
    ]


def test_ratios_are_to_the_constant_width_and_their_mean_is_geometric(tables):
    rows = tables[0][2:]
    numbers = ["79.0, 76.0", "4.00, 4.00", "94.0, 91.0", "4.00, 4.00", "4.00"]
    assert rows[0] == ["a", "0.5", *numbers]
    means = ["79.0, 77.5", "2.00, 2.00", "94.0, 92.5", "2.00, 2.00", "2.00"]
    assert rows[2] == ["mean of 2", "", *means]


def test_terciles_and_adaptive_intervals_are_in_the_second_table(tables):
    rows = tables[1][2:]
    assert rows[1] == ["b", *["70/80/90", "70/80/90", "80.0, 3.00"], *rows[1][4:]]
    assert rows[2][3] == "80.0, 6.00"
