"""Exactly one SELECT over verified tables, with nothing else in reach.

DuckDB never sees a file: the tables a statement names are read and verified by the store and registered in an
in-memory database whose external access is off and whose configuration is locked. Before that, the parsed statement is
walked: one SELECT, tables from a list of views, three table functions, no function that looks at the engine. What is
left is arithmetic on tables the store has vouched for. ``sealed_outcomes`` is no view.
"""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from factory_assets.storage.store import Store
from factory_assets.vocabulary.errors import BadInputError, MissingPartitionError, UnknownNameError
from factory_assets.vocabulary.schemas import SEALED_OUTCOMES, TableSchema, fixed_tables, predictions_schema

_PREDICTIONS = re.compile(r"(oof|val)_[a-z0-9_]+", re.ASCII)
_QUERY_LIMIT_CHARACTERS = 100_000
_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_REFERENCES = frozenset({"BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "EXPRESSION_LIST", "TABLE_FUNCTION", "PIVOT"})
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
_ENGINE_FUNCTIONS = re.compile(
    r"(pg|duckdb|pragma|has|inet|read|write|force|parquet|icu_collate)_.*"
    r"|current_(setting|schema|schemas|database|catalog|user|role|connection_id|query|query_id|transaction_id)"
    r"|getvariable|getenv|setseed|nextval|currval|setval|sleep_ms|txid_current|in_search_path|version|user|session_user"
    r"|json_(serialize|deserialize|execute).*|query|query_table|glob|which_secret|stats|vector_type|index_key",
    re.ASCII,
)


@dataclass(frozen=True)
class _Query:
    """What a statement refers to."""

    tables: frozenset[str]
    own_names: frozenset[str]
    words: frozenset[str]
    needs_all_columns: bool


def view_schemas(store: Store) -> dict[str, TableSchema]:
    """Every view a query may name: the fixed tables, and the predictions that are in the store."""
    views = {name: schema for name, schema in fixed_tables().items() if name != SEALED_OUTCOMES.name}
    for group, table in store.tables():
        if table not in views and _PREDICTIONS.fullmatch(table):
            views[table] = predictions_schema(table, group)
    return views


def run_select(
    store: Store,
    query: str,
    *,
    threads: int = 2,
    memory_limit_megabytes: int = 2048,
    timeout_seconds: float = 300,
) -> pa.Table:
    """Run one SELECT over verified partitions.

    A view holds the rows of every partition of its table; only tables and, where the statement names its columns, only
    columns that are named are read. Times are in UTC.

    Parameters
    ----------
    store : Store
        Where tables are read.
    query : str
        The statement.
    threads, memory_limit_megabytes, timeout_seconds : int, int, float
        What it may take.

    Returns
    -------
    pyarrow.Table
        Its result.

    Raises
    ------
    BadInputError
        Not exactly one SELECT, not valid SQL, a function that is out of reach, or a limit exceeded.
    UnknownNameError
        A table that is no view; names the views.
    MissingPartitionError, BlockedPartitionError, IntegrityError
        A table it names has no partition, a blocked or a damaged one.
    """
    connection = _sandbox(threads, memory_limit_megabytes)
    try:
        parsed = _parse(connection, query)
        views = view_schemas(store)
        unknown = sorted(parsed.tables - set(views) - parsed.own_names)
        if unknown:
            raise UnknownNameError(f"no view {unknown}; the views are {sorted(views)}")
        for name in sorted(parsed.tables & set(views)):
            connection.register(name, _load(store, views[name], parsed))
        connection.execute("SET lock_configuration = true")
        return _run(connection, query, timeout_seconds)
    finally:
        connection.close()


def _sandbox(threads: int, memory_limit_megabytes: int) -> Any:
    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
            "temp_directory": "",
            "threads": str(int(threads)),
            "memory_limit": f"{int(memory_limit_megabytes)}MB",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _parse(connection: Any, query: str) -> _Query:
    if len(query) > _QUERY_LIMIT_CHARACTERS or "\0" in query:
        raise BadInputError(
            f"query of {len(query)} characters: expected one SELECT of at most {_QUERY_LIMIT_CHARACTERS}"
        )
    try:
        statements = duckdb.extract_statements(query)
        kinds = [str(statement.type).rpartition(".")[2] for statement in statements]
        if kinds != ["SELECT"]:
            raise BadInputError(f"expected exactly one SELECT, got {kinds or 'nothing'}. Nothing was run.")
        tree = json.loads(connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()[0][0])
    except (duckdb.Error, ValueError, RecursionError) as problem:
        raise BadInputError(f"not a readable SELECT: {problem}") from problem
    if tree.get("error"):
        raise BadInputError(f"not a readable SELECT: {tree.get('error_message')}")
    return _inspect(tree)


def _inspect(tree: Any) -> _Query:
    tables, aliases, words, single_references, own_names = set(), set(), set(), set(), set()
    needs_all = False
    for node in _nodes(tree):
        words |= {value.lower() for value in _strings(node)}
        kind, is_expression = str(node.get("type", "")), "class" in node
        if "modifiers" in node and "cte_map" in node and kind not in _QUERY_NODES:
            raise BadInputError(f"expected a SELECT, found {kind} inside. Nothing was run.")
        if "function_name" in node:
            _refuse_function(node)
        if node.get("class") == "STAR" or node.get("ref_type") == "NATURAL":
            needs_all = True
        if node.get("class") == "COLUMN_REF" and len(node.get("column_names", ())) == 1:
            single_references.add(node["column_names"][0].lower())
        if not is_expression and "sample" in node and "alias" in node:
            _refuse_reference(node, kind)
            aliases.add(str(node["alias"]).lower())
            needs_all = needs_all or kind == "PIVOT"
            if kind == "BASE_TABLE":
                tables.add(_table_name(node))
        if set(node) == {"key", "value"} and isinstance(node["value"], dict) and "query_node" in node["value"]:
            own_names.add(str(node["key"]).lower())
    needs_all = needs_all or bool(single_references & (aliases | tables))  # a whole row as one value
    return _Query(frozenset(tables), frozenset(own_names), frozenset(words), needs_all)


def _refuse_function(node: dict[str, Any]) -> None:
    path = node.get("qualified_name", {}).get("path") or []
    for name in {str(node["function_name"]).lower(), *(str(part).lower() for part in path)}:
        if _ENGINE_FUNCTIONS.fullmatch(name):
            raise BadInputError(f"function {name}: out of reach; a query sees the factory's tables only")


def _refuse_reference(node: dict[str, Any], kind: str) -> None:
    if kind not in _TABLE_REFERENCES:
        raise BadInputError(f"{kind}: out of reach; name one of the factory's tables")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise BadInputError(f"table function {name}: out of reach; a query sees the factory's tables only")


def _table_name(node: dict[str, Any]) -> str:
    path = [str(part).lower() for part in node["qualified_name"]["path"]]
    if path[:-1] not in ([], ["main"]):
        raise UnknownNameError(f"{'.'.join(path)}: no catalog or schema is in reach; name a view without one")
    return path[-1]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _strings(node: dict[str, Any]) -> Iterator[str]:
    for value in node.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))


def _load(store: Store, schema: TableSchema, query: _Query) -> pa.Table:
    keys = store.partitions(schema.group, schema.name)
    if not keys:
        raise MissingPartitionError(
            f"{schema.name}: no partition is materialized yet. Run: factory run --contract SYMBOL"
        )
    tables = []
    for key in keys:
        stored = list(store.manifest(schema.name, schema.group, key).schema)
        named = [name for name in stored if query.needs_all_columns or name.lower() in query.words]
        tables.append(store.read_table(schema, key, columns=named or stored[:1]).table)
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def _run(connection: Any, query: str, timeout_seconds: float) -> pa.Table:
    timer = threading.Timer(timeout_seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        relation = connection.sql(query)
        if relation is None:
            raise BadInputError("expected a SELECT, which returns rows; got a statement without any")
        return relation.to_arrow_table()
    except duckdb.InterruptException as problem:
        raise BadInputError(
            f"the query ran for more than {timeout_seconds:g} s and was stopped; narrow it"
        ) from problem
    except duckdb.Error as problem:
        raise BadInputError(f"the query cannot be run: {problem}") from problem
    finally:
        timer.cancel()
