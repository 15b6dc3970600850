"""SQLAlchemy 2.1: what its inspector, reflection and automap find of tables, over psycopg 3 and psycopg2."""

import os

import sqlalchemy as sa
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session


def check(what: str, wanted, got) -> None:
    assert wanted == got, f"{what}: wanted {wanted!r}, got {got!r}"


def reflect(driver: str) -> None:
    host, port, user = (os.environ[name] for name in ("PGHOST", "PGPORT", "PGUSER"))
    engine = sa.create_engine(f"postgresql+{driver}://{user}@{host}:{port}/tidemill")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS alchemy (id INT PRIMARY KEY, name TEXT NOT NULL, paid DECIMAL(12,2), born DATE)")
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS alchemy_pairs (a INT, b TEXT, n BIGINT, PRIMARY KEY (a, b))")
    inspector = sa.inspect(engine)
    assert {"alchemy", "alchemy_pairs"} <= set(inspector.get_table_names()), inspector.get_table_names()
    columns = inspector.get_columns("alchemy")
    check("columns", ["id", "name", "paid", "born"], [column["name"] for column in columns])
    check("types", ["INTEGER", "TEXT", "NUMERIC(12, 2)", "DATE"], [str(column["type"]) for column in columns])
    check("nullable", [False, False, True, True], [column["nullable"] for column in columns])
    check("defaults", [None] * 4, [column["default"] for column in columns])
    check("a key", (["a", "b"], "alchemy_pairs_pkey"), tuple(inspector.get_pk_constraint("alchemy_pairs")[part] for part in ("constrained_columns", "name")))
    check("keys of others", [], inspector.get_foreign_keys("alchemy"))
    check("indexes", [], inspector.get_indexes("alchemy"))
    check("other constraints", ([], []), (inspector.get_unique_constraints("alchemy"), inspector.get_check_constraints("alchemy")))
    check("a comment", {"text": None}, inspector.get_table_comment("alchemy"))
    several = inspector.get_multi_columns(filter_names=["alchemy", "alchemy_pairs"])
    check("columns of several", {(None, "alchemy"): 4, (None, "alchemy_pairs"): 3}, {name: len(of) for name, of in several.items()})

    metadata = sa.MetaData()
    metadata.reflect(engine, only=["alchemy", "alchemy_pairs"])
    check("a reflected key", ["a", "b"], [column.name for column in metadata.tables["alchemy_pairs"].primary_key])
    base = automap_base(metadata=metadata)
    base.prepare()
    with Session(engine) as session:
        session.execute(sa.delete(base.classes.alchemy))
        session.add(base.classes.alchemy(id=1, name=driver))
        session.commit()
        check("a mapped row", driver, session.get(base.classes.alchemy, 1).name)
    engine.dispose()


for driver in ("psycopg", "psycopg2"):
    reflect(driver)
