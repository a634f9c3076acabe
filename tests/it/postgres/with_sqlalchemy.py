"""What SQLAlchemy does with a server: run by tests/it/postgres/clients.rs with the port."""

import sys

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session

url = f"postgresql+psycopg://ann@127.0.0.1:{sys.argv[1]}/shop"


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id = sa.Column(sa.Text, primary_key=True)
    country = sa.Column(sa.Text)


def main():
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    assert sorted(inspector.get_table_names()) == ["likes", "movies", "people"], inspector.get_table_names()
    assert "models" in inspector.get_view_names()
    assert "public" in inspector.get_schema_names()
    assert inspector.has_table("movies") and not inspector.has_table("nothing")
    columns = {column["name"]: column for column in inspector.get_columns("movies")}
    assert list(columns) == ["id", "title", "year", "stock", "genres", "look"], list(columns)
    assert isinstance(columns["id"]["type"], sa.TEXT) and not columns["id"]["nullable"]
    assert isinstance(columns["year"]["type"], sa.INTEGER) and columns["year"]["nullable"]
    assert isinstance(columns["genres"]["type"], sa.ARRAY), columns["genres"]
    key = inspector.get_pk_constraint("movies")
    assert (key["constrained_columns"], key["name"]) == (["id"], "movies_pkey"), key
    keys = sorted(inspector.get_foreign_keys("likes"), key=lambda key: key["name"])
    assert [key["referred_table"] for key in keys] == ["movies", "people"], keys
    assert keys[0]["constrained_columns"] == ["item_id"] and keys[0]["referred_columns"] == ["id"], keys
    assert inspector.get_indexes("likes") == [], inspector.get_indexes("likes")
    assert inspector.get_unique_constraints("movies") == []
    assert inspector.get_check_constraints("movies") == []
    meta = sa.MetaData()
    meta.reflect(engine, only=["people", "likes"])
    assert set(meta.tables) >= {"people", "likes", "movies"}, list(meta.tables)
    with Session(engine) as session:
        session.add(Person(id="s1", country="NO"))
        session.flush()
        session.add_all([Person(id=f"s{at}", country=None) for at in range(2, 8)])
        session.commit()
        found = session.scalars(sa.select(Person).where(Person.country == "NO").order_by(Person.id)).all()
        assert [person.id for person in found] == ["s1", "u1", "u3"], found
        person = session.get(Person, "s1")
        person.country = "SE"
        session.commit()
        session.delete(session.get(Person, "s2"))
        session.commit()
        count = session.scalar(sa.select(sa.func.count()).select_from(Person))
        assert count == 9, count
        session.add(Person(id="u1", country="XX"))
        try:
            session.commit()
            raise AssertionError("a key twice")
        except sa.exc.IntegrityError:
            session.rollback()
    with engine.connect() as conn:
        rows = conn.execute(sa.text("RECOMMEND id FROM movies FOR USER :who WHERE year > 2000 LIMIT 1"), {"who": "u1"}).all()
        assert rows == [("m3",)], rows
        movies = sa.Table("movies", sa.MetaData(), autoload_with=engine)
        row = conn.execute(
            sa.select(movies.c.title, movies.c.genres).where(movies.c.year.between(1990, 1996))
        ).one()
        assert row == ("Heat", ["crime"]), row
    print("passed")


main()
