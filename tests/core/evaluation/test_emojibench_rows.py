"""scores.csv and scores.json: written and read again, and refused with a way out where they are wrong."""

from __future__ import annotations

import json

import pytest

from followemoji_core.errors import InputError
from followemoji_core.evaluation.emojibench.rows import (
    COLUMNS,
    MethodNote,
    MetricNote,
    Row,
    Scores,
    read_scores,
    write_scores,
)

SCORES = Scores(
    (
        Row("a", "self", "p", "d", "warp", "l1", 0.25),
        Row("b", "cross", "p", "d2", "warp", "l1", None, 'the video has 3 frames, "the case" 64'),
        Row("*", "self", "", "", "warp", "fvd", 1.5e-7, "of 2 videos"),
    ),
    {
        "l1": MetricNote("L1", "lower", "", ("self", "cross"), "Difference.", True),
        "fvd": MetricNote("FVD", "lower", "", ("self",), "Set.", missing="pip install cd-fvd"),
    },
    {"warp": MethodNote("Warp", "bent"), "tps": MethodNote("TPS", "", "nobody has run it")},
    (0.02, 0.2),
)


@pytest.fixture
def folder(tmp_path):
    write_scores(tmp_path, SCORES)
    return tmp_path


def test_evaluation_rows_come_back_as_they_were(folder):
    found = read_scores(folder)
    assert found.rows == SCORES.rows
    assert found.metrics == SCORES.metrics and found.methods == SCORES.methods and found.thresholds == SCORES.thresholds
    assert found.of("l1", "warp", "self") == {"a": 0.25} and found.of("fvd", "warp", "self") == {"*": 1.5e-7}
    write_scores(folder, found)
    assert read_scores(folder) == found
    assert (folder / "scores.csv").read_text("utf-8").splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,self,p,d,warp,l1,nan,", "not finite"),
        ("a,self,p,d,warp,l1,1e999,", "not finite"),
        ("a,self,p,d,warp,l1,much,", "could not convert"),
        ("a,self,p,d,warp,l1,,", "neither a value nor a reason"),
        ("a,self,p,d,warp,l1,1", "7 fields"),
        ("a,self,p,d,warp,l1,1,,more", "9 fields"),
        ("a,other,p,d,warp,l1,1,", "not known"),
        ("a,self,p,d,warp,l2,1,", "not known"),
        ("a,self,p,d,nobody,l1,1,", "not known"),
        ("../a,self,p,d,warp,l1,1,", "cannot be a file's name"),
        ("a,self,p,<b>,warp,l1,1,", "cannot be a file's name"),
        ("a,self,p,d,warp,l1,1," + "x" * 5000, "at most 4000"),
        ('a,self,p,d,warp,l1,1,"open', "damaged"),
        ("a,self,p,d,warp,l1,1,\nb,self,p,d,warp,l1,1,\na,self,p,d,warp,l1,2,", "two of its rows"),
        ("a,self,p,d,warp,l1,1,\xff", "damaged"),
    ],
)
def test_evaluation_rows_of_a_stranger_are_refused(folder, line, message):
    content = ",".join(COLUMNS) + "\n" + line
    (folder / "scores.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message) as refused:
        read_scores(folder)
    assert "scores.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "no table of version"),
        ({"metrics": {"l1": dict(label="L1", better="best", unit="", about="", kinds=[], paper=True)}}, "metric L1"),
        ({"metrics": []}, "damaged"),
        ({"methods": {"../x": {"label": "x", "about": ""}}}, "cannot be a file's name"),
        ({"methods": {"warp": {"label": 3, "about": ""}}}, "where a text"),
        ({"measured_at": 0}, "size and frames"),
        ({"thresholds": ["x"]}, "damaged"),
        ({"thresholds": [-0.1]}, "no distances"),
    ],
)
def test_evaluation_table_of_a_stranger_is_refused(folder, change, message):
    about = json.loads((folder / "scores.json").read_text("utf-8")) | change
    (folder / "scores.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=message):
        read_scores(folder)


def test_evaluation_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"scores.json cannot be read.*evaluate score"):
        read_scores(tmp_path)
