"""``mlkit demo`` from end to end on few pictures."""

import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout

import matplotlib
import numpy as np
import pytest
from matplotlib import image as image_files

from mlkit._cli.sheet import Suspect, draw_sheet
from mlkit.cli import main


@pytest.fixture(scope="module")
def run():
    """Run the demo on few pictures and return what it prints."""

    def run_demo(*options):
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(["demo", "--samples", "400", "--no-progress", *map(str, options)])
        assert (code, err.getvalue()) == (0, "")
        return out.getvalue()

    return run_demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def story(run, folder):
    """What one demo, whose sheet is in the folder, printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run()


def test_the_story_is_told(story):
    assert story.startswith("400 pictures ")
    assert "LabelAudit: 400 examples x 10 labels" in story
    assert re.search(r"label +support +auc +flagged +right +planted +flagged +right +planted", story)
    for name in ("zero", "nine"):
        assert re.search(rf"^ +{name} +\d+ +0\.\d+ ", story, re.MULTILINE)
    assert "The 10 most suspicious pictures, with given, suggested and true labels: mlkit-demo" in story


def test_precision_and_recall_are_those_of_the_counts(story):
    n_wrong = int(re.search(r": ([\d,]+) of [\d,]+ cells are wrong", story)[1].replace(",", ""))
    rows = re.findall(r"^ +(?:the \d+ most suspicious|all flagged) cells +(\S+) +(\S+) +(\S+) % +(\S+) %$", story, re.M)
    assert len(rows) >= 2
    for row in rows:
        cells, right = (int(word.replace(",", "")) for word in row[:2])
        assert row[2:] == (f"{100 * right / cells:.1f}", f"{100 * right / n_wrong:.1f}")
    assert float(rows[0][2]) > 25  # of the first hundred, by a model of 320 pictures; blind picks would reach 4


def test_the_sheet_is_a_picture_of_sensible_size(story, folder):
    [sheet] = (folder / "mlkit-demo").iterdir()
    assert sheet.name == "most-suspicious.png"
    height, width, _ = image_files.imread(sheet).shape
    assert 1500 < width < 2500
    assert 900 < height < 1500
    assert 50_000 < sheet.stat().st_size < 2_000_000


def test_the_same_seed_tells_the_same_story(run, story, tmp_path):
    assert run("--out", tmp_path, "--seed", 0).replace(str(tmp_path), "mlkit-demo") == story


def test_another_seed_tells_another_story(run, story, tmp_path):
    assert run("--out", tmp_path, "--seed", 1).replace(str(tmp_path), "mlkit-demo") != story


def test_the_settings_of_matplotlib_are_left_alone(run, tmp_path):
    before = dict(dict.items(matplotlib.rcParams))
    run("--out", tmp_path)
    assert dict(dict.items(matplotlib.rcParams)) == before


@pytest.mark.slow
def test_precision_of_the_full_demo(run, tmp_path):
    """The figures that the documentation shows, within what another processor may change."""
    story = run("--samples", 5000, "--out", tmp_path)
    rows = re.findall(r"^ +(?:the \d+ most suspicious|all flagged) cells .*? (\S+) % +(\S+) %$", story, re.M)
    precision, recall = ([float(row[k]) for row in rows] for k in (0, 1))
    assert precision == pytest.approx([97.0, 92.8, 53.1], abs=3)
    assert recall == pytest.approx([4.9, 23.2, 69.8], abs=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_fewest_pictures_are_enough(mlkit, tmp_path, seed):
    ended = mlkit("demo", "--samples", 200, "--seed", seed, "--out", tmp_path)
    assert (ended.code, ended.err) == (0, "")


def test_a_bar_is_shown_on_demand(mlkit, tmp_path):
    ended = mlkit("demo", "--samples", 200, "--out", tmp_path, "--progress")
    assert ended.code == 0
    assert "demo" in ended.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", 100], "--samples: expected an integer >= 200, got 100"),
        (["--samples", "many"], "--samples: expected an integer, got 'many' (see mlkit demo --help)"),
        (["--seed", -1], "--seed: expected an integer in [0, 4294967295], got -1"),
    ],
)
def test_bad_options_are_refused(refused, options, message):
    assert refused("demo", *options) == message


def test_the_folder_may_not_be_a_file(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert refused("demo", "--out", tmp_path / "file") == f"--out: expected a folder, got the file {tmp_path}/file"


def test_without_matplotlib_the_extra_is_named(refused, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert refused("demo", "--out", tmp_path) == "mlkit demo needs matplotlib: pip install 'multilabelkit[demo]'"


def test_nothing_is_written_where_the_disk_is_full(refused, monkeypatch, tmp_path):
    def fail(self, part, **_):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    said = refused("demo", "--samples", 200, "--out", tmp_path / "out")
    assert said == f"--out: cannot write to {tmp_path}/out (No space left on device)"
    assert not list((tmp_path / "out").iterdir())


def test_right_and_wrong_suggestions_look_different():
    image = np.zeros((16, 16), np.float32)
    sheets = []
    for truth in ({3}, {3, 4}, {1, 2}):
        figure = draw_sheet([Suspect(0, image, {1, 2}, {3}, truth)], 100)
        figure.canvas.draw()
        words = [text.get_text() for ax in figure.axes for text in (ax.title, ax._left_title, ax._right_title)]
        sheets.append((np.asarray(figure.canvas.buffer_rgba()), " ".join(words)))
    assert ["✓ right" in words for _, words in sheets] == [True, False, False]
    assert ["partly right" in words for _, words in sheets] == [False, True, False]
    assert ["✗ wrong" in words for _, words in sheets] == [False, False, True]
    assert len({picture.tobytes() for picture, _ in sheets}) == 3
