"""Every format of labels, probabilities, names and ids leads to the same files."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse


@pytest.fixture
def reference(mlkit, files, contents):
    """What an audit of the NumPy files writes."""
    out = files / "reference"
    ended = mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--names", files / "names.txt",
                  "--ids", files / "ids.txt", "--out", out)  # fmt: skip
    assert ended.code == 0
    return contents(out)


@pytest.fixture
def same(mlkit, files, contents, reference):
    """Whether these options lead to the files of the reference."""

    def check(*options, ids=True):
        out = files / "out"
        shared = ("--ids", files / "ids.txt") if ids else ()
        ended = mlkit("audit", *options, *shared, "--out", out)
        assert (ended.code, ended.err) == (0, "")
        assert contents(out) == reference

    return check


@pytest.fixture
def frame(small):
    return pd.DataFrame(small.labels, columns=small.names)


@pytest.fixture
def prob_frame(small):
    return pd.DataFrame(small.probs, columns=small.names)


def sparse_pieces(matrix, prefix=""):
    return {
        f"{prefix}data": matrix.data,
        f"{prefix}indices": matrix.indices,
        f"{prefix}indptr": matrix.indptr,
        f"{prefix}shape": np.array(matrix.shape),
    }


LABELS = ["bool", "int64", "uint8", "float32", "fortran", "csr", "csc", "coo", "sparse array", "pieces", "only array"]


@pytest.mark.parametrize("form", LABELS)
def test_labels_in_numpy_files(form, small, files, same):
    path = files / "labels.npz"
    if form in ("bool", "int64", "uint8", "float32"):
        path = files / "labels.npy"
        np.save(path, small.labels.astype(form))
    elif form == "fortran":
        path = files / "labels.npy"
        np.save(path, np.asfortranarray(small.labels))
    elif form in ("csr", "csc", "coo"):
        sparse.save_npz(path, sparse.csr_matrix(small.labels).asformat(form))
    elif form == "sparse array":
        sparse.save_npz(path, sparse.csr_array(small.labels))
    elif form == "pieces":
        np.savez(path, **sparse_pieces(sparse.csr_matrix(small.labels)))
    else:
        np.savez_compressed(path, labels=small.labels)
    same("--labels", path, "--probs", files / "p.npy", "--names", files / "names.txt")


@pytest.mark.parametrize("member", ["Y", "dense", "bare"])
def test_one_of_several_arrays_in_an_archive(member, small, files, same):
    csr = sparse.csr_matrix(small.labels)
    pieces = sparse_pieces(csr, "Y_")
    del pieces["Y_data"]  # ones
    bare = {f"bare_{piece}": getattr(csr, piece) for piece in ("indptr", "indices")}  # as wide as the probabilities
    np.savez(files / "all.npz", dense=small.labels, probs=small.probs, names=small.names, **pieces, **bare)
    archive = f"{files}/all.npz"
    same("--labels", f"{archive}:{member}", "--probs", f"{archive}:probs", "--names", f"{archive}:names")


def test_probabilities_in_a_sparse_file(small, files, same):
    sparse.save_npz(files / "p.npz", sparse.csr_matrix(small.probs))
    same("--labels", files / "y.npy", "--probs", files / "p.npz", "--names", files / "names.txt")


@pytest.mark.parametrize(
    ("suffix", "separator", "decimal"),
    [(".csv", ",", "."), (".csv", ";", "."), (".csv", ";", ","), (".csv", "\t", "."), (".tsv", "\t", ".")],
)
def test_tables_in_text(suffix, separator, decimal, frame, prob_frame, files, same):
    labels, probs = files / f"y{suffix}", files / f"p{suffix}"
    frame.to_csv(labels, sep=separator, index=False)
    prob_frame.to_csv(probs, sep=separator, decimal=decimal, index=False)
    same("--labels", labels, "--probs", probs)


@pytest.mark.parametrize("kind", ["bool", "words", "byte order mark", "windows lines", "blank lines"])
def test_labels_in_text_written_by_others(kind, frame, files, same):
    text = (frame.astype(bool) if kind in ("bool", "words") else frame).to_csv(index=False)
    if kind == "words":
        text = text.replace("True", "TRUE").replace("False", "FALSE")
    if kind == "blank lines":
        text = text.replace("\n", "\n\n")
    if kind == "windows lines":
        text = text.replace("\n", "\r\n")
    encoding = "utf-8-sig" if kind == "byte order mark" else "utf-8"
    (files / "y.csv").write_bytes(text.encode(encoding))
    same("--labels", files / "y.csv", "--probs", files / "p.npy")


def test_tables_in_parquet(frame, prob_frame, files, same):
    frame.to_parquet(files / "y.parquet")
    prob_frame.to_parquet(files / "p.parquet")
    same("--labels", files / "y.parquet", "--probs", files / "p.parquet")


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "category", "float64"])
def test_column_types_of_parquet(dtype, frame, files, same):
    frame.astype(dtype).to_parquet(files / "y.parquet")
    same("--labels", files / "y.parquet", "--probs", files / "p.npy")


def test_columns_of_two_tables_are_matched_by_name(frame, prob_frame, files, same):
    frame.to_csv(files / "y.csv", index=False)
    prob_frame[prob_frame.columns[::-1]].to_csv(files / "p.csv", index=False)
    same("--labels", files / "y.csv", "--probs", files / "p.csv")


def test_names_may_come_with_the_probabilities(prob_frame, files, same):
    prob_frame.to_csv(files / "p.csv", index=False)
    same("--labels", files / "y.npy", "--probs", files / "p.csv")


def test_a_header_of_column_numbers_is_no_header_of_names(small, files, same):
    pd.DataFrame(small.labels).to_csv(files / "y.csv", index=False)
    pd.DataFrame(small.probs).to_csv(files / "p.csv", index=False)
    same("--labels", files / "y.csv", "--probs", files / "p.csv", "--names", files / "names.txt")


def test_text_without_a_header(small, files, same):
    np.savetxt(files / "y.csv", small.labels, delimiter=",", fmt="%d")
    np.savetxt(files / "p.csv", small.probs, delimiter=",", fmt="%.17g")
    same("--labels", files / "y.csv", "--probs", files / "p.csv", "--names", files / "names.txt", "--no-header")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_id_column_matches_the_rows_of_two_tables(suffix, small, frame, prob_frame, files, same):
    labels, probs = files / f"y{suffix}", files / f"p{suffix}"
    shuffled = prob_frame.assign(key=small.ids).sample(frac=1, random_state=0)
    for table, path in ((frame.assign(key=small.ids), labels), (shuffled, probs)):
        table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    same("--labels", labels, "--probs", probs, "--id-column", "key", ids=False)


@pytest.mark.parametrize("where", ["labels", "probs"])
def test_one_table_alone_may_have_the_ids(where, small, frame, prob_frame, files, same):
    (frame.assign(key=small.ids) if where == "labels" else frame).to_csv(files / "y.csv", index=False)
    (prob_frame.assign(key=small.ids) if where == "probs" else prob_frame).to_csv(files / "p.csv", index=False)
    same("--labels", files / "y.csv", "--probs", files / "p.csv", "--id-column", "key", ids=False)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_index_that_pandas_wrote_holds_ids(suffix, small, frame, prob_frame, files, same):
    labels, probs = files / f"y{suffix}", files / f"p{suffix}"
    for table, path in ((frame, labels), (prob_frame[::-1].copy(), probs)):
        table.index = small.ids if path is labels else small.ids[::-1]
        table.to_csv(path) if suffix == ".csv" else table.to_parquet(path)
    same("--labels", labels, "--probs", probs, ids=False)


def test_an_index_that_pandas_wrote_beside_another_id_column_is_dropped(small, frame, prob_frame, files, same):
    frame.assign(key=small.ids).to_csv(files / "y.csv")
    prob_frame.to_csv(files / "p.csv")
    same("--labels", files / "y.csv", "--probs", files / "p.csv", "--id-column", "key", ids=False)


def test_an_index_of_parquet_may_be_the_id_column(small, frame, prob_frame, files, same):
    frame.assign(key=small.ids).set_index("key").to_parquet(files / "y.parquet")
    prob_frame.assign(key=small.ids).sample(frac=1, random_state=0).to_parquet(files / "p.parquet")
    same("--labels", files / "y.parquet", "--probs", files / "p.parquet", "--id-column", "key", ids=False)


def test_an_index_beside_numbered_columns(small, files, mlkit):
    pd.DataFrame(small.labels).to_csv(files / "y.csv")
    pd.DataFrame(small.probs).to_csv(files / "p.csv")
    tables = mlkit("audit", "--labels", files / "y.csv", "--probs", files / "p.csv")
    assert tables == mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy")
    assert tables.code == 0


def test_ids_in_text_are_taken_as_they_stand(small, frame, prob_frame, files, mlkit):
    frame.assign(key=["007", "NA", *small.ids[2:]]).to_csv(files / "y.csv", index=False)
    ended = mlkit("audit", "--labels", files / "y.csv", "--probs", files / "p.npy", "--id-column", "key",
                  "--filter", "predicted_neq_given", "--out", files / "out")  # fmt: skip
    assert ended.code == 0
    ids = pd.read_csv(files / "out" / "cells.csv", dtype=str, keep_default_na=False)["id"]
    rows = pd.read_csv(files / "out" / "cells.csv")["row"]
    assert ids.tolist() == [["007", "NA", *small.ids[2:]][row] for row in rows]


@pytest.mark.parametrize("form", ["npy", "npz"])
def test_names_and_ids_in_numpy_files(form, small, files, same):
    np.save(files / "names.npy", small.names)
    np.save(files / "ids.npy", small.ids)
    np.savez(files / "both.npz", names=small.names, ids=small.ids)
    names, ids = ("names.npy", "ids.npy") if form == "npy" else ("both.npz:names", "both.npz:ids")
    same("--labels", files / "y.npy", "--probs", files / "p.npy", "--names", f"{files}/{names}",
         "--ids", f"{files}/{ids}", ids=False)  # fmt: skip
