"""What psycopg 3 does with a server: run by tests/it/postgres/clients.rs with the port."""

import datetime
import sys
import threading
import time

import psycopg
from psycopg.rows import dict_row

dsn = f"host=127.0.0.1 port={sys.argv[1]} user=ann dbname=shop"


def main():
    with psycopg.connect(dsn) as conn:
        assert conn.info.server_version == 150000, conn.info.server_version
        # A transaction is open from here on, and others write all the same.
        assert conn.execute("SELECT count(*) FROM people").fetchone() == (3,)
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("INSERT INTO people VALUES (%s, %s)", ("py1", "NO"))
        assert conn.execute("SELECT count(*) FROM people").fetchone() == (4,)
        cur = conn.execute(
            "SELECT title, year, genres, look FROM movies WHERE id = %s AND year > %s", ("m1", 1990)
        )
        assert cur.fetchone() == ("Heat", 1995, ["crime"], "[1,0,0]")
        for binary in (False, True):
            cur = conn.cursor(binary=binary, row_factory=dict_row)
            row = cur.execute("SELECT at, item_id FROM likes WHERE user_id = 'u3'").fetchone()
            assert row == {"at": datetime.datetime(2024, 5, 6), "item_id": "m3"}, row
        rows = conn.execute("RECOMMEND id, score FROM movies FOR USER %s LIMIT %s", ("u1", 2)).fetchall()
        assert sorted(row[0] for row in rows) == ["m3", "m4"], rows
        conn.execute(
            "INSERT INTO movies (id, title, genres, look) VALUES (%s, %s, %s, %s)",
            ("p1", "it's \"é\"", ["a", "b,c"], [0.5, 0.25, 1.0]),
        )
        row = conn.execute("SELECT title, genres, look FROM movies WHERE id = 'p1'").fetchone()
        assert row == ("it's \"é\"", ["a", "b,c"], "[0.5,0.25,1]"), row
        with conn.cursor() as cur:
            cur.executemany("INSERT INTO people VALUES (%s, %s)", [(f"m{i}", None) for i in range(50)])
            assert cur.rowcount == 50, cur.rowcount
        # A failure spoils the transaction, up to its end.
        try:
            conn.execute("INSERT INTO people VALUES ('u1', 'NO')")
            raise AssertionError("a key twice")
        except psycopg.errors.UniqueViolation as error:
            assert error.diag.message_detail == "TasteDB error TD0306", error.diag.message_detail
        try:
            conn.execute("SELECT 1")
            raise AssertionError("the transaction has failed")
        except psycopg.errors.InFailedSqlTransaction:
            pass
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM people").fetchone() == (4,)
        # A savepoint around what may fail.
        try:
            with conn.transaction():
                conn.execute("INSERT INTO people VALUES ('u1', 'NO')")
        except psycopg.errors.UniqueViolation:
            pass
        assert conn.execute("SELECT count(*) FROM people").fetchone() == (4,)
    with psycopg.connect(dsn, autocommit=True) as conn:
        with conn.transaction():
            conn.execute("INSERT INTO people VALUES ('t1', 'NO')")
        with conn.cursor() as cur:
            with cur.copy("COPY people (id, country) FROM STDIN") as copy:
                copy.write_row(("c1", "NO"))
                copy.write_row(("c2", None))
            assert cur.rowcount == 2, cur.rowcount
            with cur.copy("COPY (SELECT id, country FROM people WHERE id LIKE 'c%' ORDER BY id) TO STDOUT") as copy:
                assert list(copy.rows()) == [("c1", "NO"), ("c2", None)]
        # The same statement often enough to be prepared.
        for at in range(20):
            row = conn.execute("SELECT id FROM people WHERE id = %s", (f"u{at % 3 + 1}",)).fetchone()
            assert row == (f"u{at % 3 + 1}",)
        with conn.cursor() as cur:
            rows = list(cur.stream("SELECT id FROM movies ORDER BY id"))
            assert rows[0] == ("m1",)
        # A connection of its own: libpq stays in the mode of `stream`.
        with psycopg.connect(dsn, autocommit=True) as other, other.pipeline():
            first = other.execute("SELECT %s::int", (1,))
            second = other.execute("SELECT %s::text", ("two",))
            assert (first.fetchone(), second.fetchone()) == ((1,), ("two",))
        notices = []
        conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
        conn.execute("TRAIN MODEL taste")
        assert any("taste" in notice for notice in notices), notices
        cancelled = threading.Timer(0.3, conn.cancel)
        cancelled.start()
        began = time.time()
        try:
            conn.execute("SELECT count(*) FROM (SELECT unnest(range(1, 2000000)) AS a) a, "
                "(SELECT unnest(range(1, 2000000)) AS b) b WHERE a.a % 7 = b.b % 5")
            raise AssertionError("not cancelled")
        except psycopg.errors.QueryCanceled:
            assert time.time() - began < 15
        assert psycopg.types.TypeInfo.fetch(conn, "vector").oid == 16385
    print("passed")


main()
