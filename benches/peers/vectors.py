"""Other engines on the vectors that the `vectors` bench wrote with SAVE: one query at a time, one thread.

    SAVE=/tmp/vectors vectors 200000 64 500 && taskset -c 0 python vectors.py /tmp/vectors 64

Needs numpy, hnswlib, usearch, faiss-cpu, lancedb and pyarrow. Prints a table like that of the bench.
"""

import os
import sys
import tempfile
import time

os.environ["LANCE_LOG"] = "error"

import faiss
import hnswlib
import lancedb
import numpy as np
import pyarrow as pa
from usearch.index import Index

folder, dim = sys.argv[1], int(sys.argv[2])
load = lambda name, kind: np.fromfile(f"{folder}/{name}", dtype=kind)
vectors = load("vectors.f32", "<f4").reshape(-1, dim)
queries = load("queries.f32", "<f4").reshape(-1, dim)
truth = load("truth.1.u32", "<u4").reshape(-1, 10)
faiss.omp_set_num_threads(1)


def measure(name, ask, expected):
    for query in queries[:100]:
        ask(query)
    times, hits, wanted = [], 0, 0
    for at, query in enumerate(queries):
        start = time.perf_counter()
        found = ask(query)
        times.append((time.perf_counter() - start) * 1e6)
        if at < len(expected):
            wanted += len(expected[at])
            hits += len(set(np.asarray(found).ravel().tolist()) & set(expected[at].tolist()))
    p50, p99 = np.percentile(times, [50, 99])
    print(f"{name:44} {hits / wanted:8.4f} {p50:9.1f} {p99:9.1f}", flush=True)


def seconds(build):
    start = time.perf_counter()
    result = build()
    return result, time.perf_counter() - start


print(f"{'engine':44} {'recall':>8} {'p50 µs':>9} {'p99 µs':>9}")


def build_hnswlib():
    index = hnswlib.Index(space="cosine", dim=dim)
    index.init_index(max_elements=len(vectors), M=16, ef_construction=200, random_seed=1)
    index.add_items(vectors, num_threads=2)
    index.set_num_threads(1)
    return index


hnsw, took = seconds(build_hnswlib)
print(f"hnswlib {hnswlib.__version__ if hasattr(hnswlib, '__version__') else ''} built in {took:.1f} s on 2 threads")
for ef in [16, 32, 64, 128]:
    hnsw.set_ef(ef)
    measure(f"hnswlib ef {ef}", lambda q: hnsw.knn_query(q, k=10)[0], truth)

flat = faiss.IndexFlatIP(dim)
flat.add(vectors)
measure("faiss flat", lambda q: flat.search(q[None], 10)[1], truth)
for share in ["0.1", "0.01", "0.001"]:
    allowed = load(f"allowed.{share}.u32", "<u4")
    expected = load(f"truth.{share}.u32", "<u4").reshape(300, -1)
    bits = np.zeros(len(vectors), dtype=bool)
    bits[allowed] = True
    packed = np.packbits(bits, bitorder="little")
    chosen = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(packed))
    measure(f"faiss flat, {share} allowed", lambda q: flat.search(q[None], 10, params=chosen)[1], expected)


def build_faiss():
    index = faiss.IndexHNSWFlat(dim, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 200
    faiss.omp_set_num_threads(2)
    index.add(vectors)
    faiss.omp_set_num_threads(1)
    return index


graph, took = seconds(build_faiss)
print(f"faiss HNSW built in {took:.1f} s on 2 threads")
for ef in [32, 64]:
    options = faiss.SearchParametersHNSW(efSearch=ef)
    measure(f"faiss HNSW ef {ef}", lambda q: graph.search(q[None], 10, params=options)[1], truth)
for share in ["0.1", "0.01", "0.001"]:
    allowed = load(f"allowed.{share}.u32", "<u4")
    expected = load(f"truth.{share}.u32", "<u4").reshape(300, -1)
    bits = np.zeros(len(vectors), dtype=bool)
    bits[allowed] = True
    packed = np.packbits(bits, bitorder="little")
    chosen = faiss.SearchParametersHNSW(efSearch=128, sel=faiss.IDSelectorBitmap(packed))
    measure(f"faiss HNSW ef 128, {share} allowed", lambda q: graph.search(q[None], 10, params=chosen)[1], expected)


def build_usearch(kind):
    index = Index(ndim=dim, metric="cos", dtype=kind, connectivity=16, expansion_add=200)
    index.add(np.arange(len(vectors)), vectors, threads=2)
    return index


for kind in ["f32", "i8"]:
    index, took = seconds(lambda: build_usearch(kind))
    print(f"usearch {kind} built in {took:.1f} s on 2 threads")
    for ef in [32, 64]:
        index.expansion_search = ef
        measure(f"usearch {kind} ef {ef}", lambda q: index.search(q, 10, threads=1).keys, truth)


def build_lancedb():
    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
    columns = {"id": pa.array(np.arange(len(vectors), dtype="<u4")), "vector": rows}
    for share in ["0.1", "0.01", "0.001"]:
        allowed = np.zeros(len(vectors), dtype=bool)
        allowed[load(f"allowed.{share}.u32", "<u4")] = True
        columns["in" + share[2:]] = pa.array(allowed)
    table = lancedb.connect(tempfile.mkdtemp()).create_table("vectors", pa.table(columns))
    table.create_index(
        metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ",
        num_partitions=1, m=16, ef_construction=200,
    )
    for share in ["1", "01", "001"]:
        table.create_scalar_index("in" + share, index_type="BITMAP")
    return table


table, took = seconds(build_lancedb)
print(f"lancedb {lancedb.__version__} IVF_HNSW_SQ built in {took:.1f} s, with its table")
queries = queries[:300]


def ask_lancedb(query, ef, where=None):
    search = table.search(query).distance_type("cosine").ef(ef).select(["id"]).limit(10)
    search = search if where is None else search.where(where, prefilter=True)
    return search.to_arrow()["id"].to_numpy()


for ef in [32, 64]:
    measure(f"lancedb ef {ef}", lambda q: ask_lancedb(q, ef), truth)
for share in ["0.1", "0.01", "0.001"]:
    expected = load(f"truth.{share}.u32", "<u4").reshape(300, -1)
    where = f"in{share[2:]} = true"
    measure(f"lancedb ef 128, {share} allowed", lambda q: ask_lancedb(q, 128, where), expected)
