"""Other engines on the vectors that the `vectors` bench wrote with SAVE, one query at a time.

    vectors.py FOLDER DIM

`vectors.sh` runs both, one after the other. Recall and times are of one thread; queries a second are of
both cores, the way each package offers it: a batch with two threads, for LanceDB two threads that ask.
Memory is what the resident size of this process grew by while the index was built, the vectors that
were handed in not counted; a file is what the package writes.
"""

import gc
import os
import sys
import tempfile
import threading
import time

os.environ["LANCE_LOG"] = "error"

import faiss
import hnswlib
import lancedb
import numpy as np
import pyarrow as pa
from usearch.index import Index

K, CORES, JUDGED = 10, 2, 300
SHARES = ["0.1", "0.01", "0.001"]
folder, dim = sys.argv[1], int(sys.argv[2])
scratch = tempfile.mkdtemp(prefix="tastedb-peers-")


def load(name, kind):
    return np.fromfile(f"{folder}/{name}", dtype=kind)


vectors = load("vectors.f32", "<f4").reshape(-1, dim)
queries = load("queries.f32", "<f4").reshape(-1, dim)
truth = {share: load(f"truth.{share}.u32", "<u4").reshape(JUDGED, -1) for share in ["1", *SHARES]}
allowed = {share: load(f"allowed.{share}.u32", "<u4") for share in SHARES}


def bitmap(share):
    bits = np.zeros(len(vectors), dtype=bool)
    bits[allowed[share]] = True
    return np.packbits(bits, bitorder="little")


def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(f"{at}/{name}") for at, _, names in os.walk(path) for name in names)


def built(name, build, path=None):
    """Builds on both cores and reports. `build` returns the index; `path` writes it, and returns where."""
    before, start = resident(), time.perf_counter()
    index = build()
    took, grown = time.perf_counter() - start, resident() - before
    written = f"{size(path(index)) / 1e6:.0f}" if path else "–"
    print(f"{name}: built in {took:.1f} s, {grown / 1e6:.0f} MB in memory, file of {written} MB", flush=True)
    return index


def measure(name, ask, share="1", batch=None, asked=queries):
    for query in asked[:100]:
        ask(query)
    times, hits, wanted = [], 0, 0
    expected = truth[share]
    for at, query in enumerate(asked):
        start = time.perf_counter()
        found = ask(query)
        times.append((time.perf_counter() - start) * 1e6)
        if at < len(expected):
            wanted += len(expected[at])
            hits += len(set(np.asarray(found).ravel().tolist()) & set(expected[at].tolist()))
    p50, p99 = np.percentile(times, [50, 99])
    start = time.perf_counter()
    if batch:
        batch(asked)
    else:
        each = lambda: [ask(query) for query in asked]
        threads = [threading.Thread(target=each) for _ in range(CORES)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    count = len(asked) if batch else CORES * len(asked)
    rate = count / (time.perf_counter() - start)
    print(f"{name:40} {share:>6} {hits / wanted:9.4f} {p50:9.1f} {p99:9.1f} {rate:11.0f}", flush=True)


print(f"{'engine':40} {'share':>6} {'recall@10':>9} {'p50 µs':>9} {'p99 µs':>9} {'queries/s':>11}")


def run_hnswlib():
    def build():
        index = hnswlib.Index(space="cosine", dim=dim)
        index.init_index(max_elements=len(vectors), M=16, ef_construction=200, random_seed=1)
        index.add_items(vectors, num_threads=CORES)
        return index

    def save(index):
        index.save_index(f"{scratch}/hnswlib")
        return f"{scratch}/hnswlib"

    index = built("hnswlib", build, save)
    for ef in [16, 32, 64, 128]:
        index.set_ef(ef)
        measure(
            f"hnswlib ef {ef}",
            lambda q: index.knn_query(q, k=K, num_threads=1)[0],
            batch=lambda qs: index.knn_query(qs, k=K, num_threads=CORES),
        )
    index.set_ef(128)
    for share in SHARES:
        inside = bytearray(len(vectors))
        for row in allowed[share].tolist():
            inside[row] = 1

        # The package takes a function for a filter, here in Python; it fails where it finds fewer than k.
        def ask(query, filter=lambda label: inside[label] == 1):
            try:
                return index.knn_query(query, k=K, num_threads=1, filter=filter)[0]
            except RuntimeError:
                return []

        measure("hnswlib ef 128", ask, share, asked=queries[:JUDGED])


def faiss_ask(index, params=None):
    def one(query):
        faiss.omp_set_num_threads(1)
        return index.search(query[None], K, params=params)[1]

    def many(some):
        faiss.omp_set_num_threads(CORES)
        return index.search(some, K, params=params)

    return one, many


def run_faiss():
    def flat():
        index = faiss.IndexFlatIP(dim)
        index.add(vectors)
        return index

    def graph():
        faiss.omp_set_num_threads(CORES)
        index = faiss.IndexHNSWFlat(dim, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        index.add(vectors)
        return index

    def save(index):
        faiss.write_index(index, f"{scratch}/faiss")
        return f"{scratch}/faiss"

    index = built("faiss flat", flat, save)
    one, many = faiss_ask(index)
    measure("faiss flat", one, batch=many, asked=queries[:JUDGED])
    for share in SHARES:
        packed = bitmap(share)
        one, many = faiss_ask(index, faiss.SearchParameters(sel=faiss.IDSelectorBitmap(packed)))
        measure("faiss flat", one, share, batch=many, asked=queries[:JUDGED])
    del index
    index = built("faiss HNSW", graph, save)
    for ef in [32, 64]:
        one, many = faiss_ask(index, faiss.SearchParametersHNSW(efSearch=ef))
        measure(f"faiss HNSW ef {ef}", one, batch=many)
    for share in SHARES:
        packed = bitmap(share)
        chosen = faiss.SearchParametersHNSW(efSearch=128, sel=faiss.IDSelectorBitmap(packed))
        one, many = faiss_ask(index, chosen)
        measure("faiss HNSW ef 128", one, share, batch=many)


def run_usearch(kind):
    def build():
        index = Index(ndim=dim, metric="cos", dtype=kind, connectivity=16, expansion_add=200)
        index.add(np.arange(len(vectors)), vectors, threads=CORES)
        return index

    def save(index):
        index.save(f"{scratch}/usearch")
        return f"{scratch}/usearch"

    index = built(f"usearch {kind}", build, save)
    for ef in [32, 64]:
        index.expansion_search = ef
        measure(
            f"usearch {kind} ef {ef}",
            lambda q: index.search(q, K, threads=1).keys,
            batch=lambda qs: index.search(qs, K, threads=CORES),
        )


def run_lancedb():
    home = f"{scratch}/lancedb"

    def build():
        rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
        columns = {"id": pa.array(np.arange(len(vectors), dtype="<u4")), "vector": rows}
        for share in SHARES:
            inside = np.zeros(len(vectors), dtype=bool)
            inside[allowed[share]] = True
            columns["in" + share[2:]] = pa.array(inside)
        table = lancedb.connect(home).create_table("vectors", pa.table(columns))
        table.create_index(
            metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ",
            num_partitions=1, m=16, ef_construction=200,
        )
        for share in SHARES:
            table.create_scalar_index("in" + share[2:], index_type="BITMAP")
        return table

    table = built(f"lancedb {lancedb.__version__} IVF_HNSW_SQ, with its table", build, lambda _: home)

    def ask(query, ef, where=None):
        search = table.search(query).distance_type("cosine").ef(ef).select(["id"]).limit(K)
        search = search if where is None else search.where(where, prefilter=True)
        return search.to_arrow()["id"].to_numpy()

    for ef in [32, 64]:
        measure(f"lancedb ef {ef}", lambda q: ask(q, ef), asked=queries[:JUDGED])
    for share in SHARES:
        where = f"in{share[2:]} = true"
        measure("lancedb ef 128", lambda q: ask(q, 128, where), share, asked=queries[:JUDGED])


run_hnswlib()
run_faiss()
for kind in ["f32", "i8"]:
    run_usearch(kind)
run_lancedb()
