"""local-bigquery, with partition decorators as Google documents them.

As it comes, that server takes a load into `trips$202001` for one into another table of that
name, and says that all went well. This starts it with our reading of
https://cloud.google.com/bigquery/docs/managing-partitioned-table-data and
https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad:

- A load, a copy or a query into `table$partition` touches that partition alone: WRITE_TRUNCATE
  replaces its rows, WRITE_APPEND adds to them, WRITE_EMPTY wants it empty. All in one
  transaction.
- "The partition ID specified in the decorator must match the data being written": stray rows
  fail the job.
- schemaUpdateOptions go with WRITE_TRUNCATE when the destination is a partition.
- Partitioning and clustering that the job gives must be those of the table; a table that is not
  there is made with them.
- A field that the table has keeps its type.
- `table$partition` can be the source of a copy, can be deleted, and tables.get counts its rows.

And what Google's takes in its stride:

- Calls and jobs that write are done one after the other: that server's store refuses some that
  come at once, and shows tables half made.
- A view that is patched answers by its new query.
- What there is, is looked up by name, not in a list of everything that all tests made; jobs are
  kept in memory, and the answers of the last queries alone.

Partitions are by a column of the table, or `__NULL__`; everything else is refused rather than
guessed at. Run it as `server.py --host ... --port ...`; the options are local-bigquery's.
"""

import collections
import datetime
import functools
import re
import sys
import threading

# DuckDB looks all over for a pandas that is not there, at every statement.
sys.modules["pandas"] = None

import duckdb

from local_bigquery.catalog import datasets, metadata, names, tables
from local_bigquery.engine import database, types
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError, not_found
from local_bigquery.jobs import copy, load as load_job, runner, store
from local_bigquery.jobs.query import translate_view
from local_bigquery.models import Table

FORMATS = {"YEAR": "%Y", "MONTH": "%Y%m", "DAY": "%Y%m%d", "HOUR": "%Y%m%d%H"}
STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}

plain_write, plain_delete, plain_load = tables.write, tables.delete, tables.load
plain_update, plain_columns = tables.update, tables.columns
plain_source, plain_query = copy._source, runner._query
plain_objects = database.objects
READS = re.compile(r"^\s*(SELECT|WITH)\b", re.IGNORECASE)
alone = threading.RLock()
jobs, answers = {}, collections.deque()


def one_at_a_time(function):
    @functools.wraps(function)
    def held(*args, **more):
        with alone:
            return function(*args, **more)

    return held


def split(project, dataset, name):
    table, _, partition = name.partition("$")
    return (project, dataset, table), partition


def invalid(message):
    return BigQueryError("invalid", message)


def stored(table):
    """The table as it is kept, or nothing when it is not there."""
    if not tables.exists(*table):
        return None
    return metadata.load(Table, *table) or Table()


def end_of(kind, start):
    if kind == "YEAR":
        return start.replace(year=start.year + 1)
    if kind == "MONTH":
        return (start + datetime.timedelta(days=32)).replace(day=1)
    return start + datetime.timedelta(**{kind.lower() + "s": 1})


def rows_of(table, partition, partitioning):
    """The condition by which a row is in the partition."""
    label = names.label(*table)
    if not partitioning:
        raise invalid(
            f"Cannot use a partition decorator: {label} is not partitioned by time"
        )
    if not partitioning.field:
        raise BigQueryError(
            "notImplemented", "decorators of ingestion-time partitions are not emulated"
        )
    field = quote(partitioning.field)
    if partition == "__NULL__":
        return f"({field} IS NULL)"
    kind = (partitioning.type or "DAY").upper()
    try:
        start = datetime.datetime.strptime(partition, FORMATS[kind])
        # strptime takes 20201 for January as well.
        if start.strftime(FORMATS[kind]) != partition:
            raise ValueError
    except ValueError:
        raise invalid(
            f"Invalid partition id {partition}: {label} is partitioned by {kind}"
        ) from None
    return f"({field} >= TIMESTAMP '{start}' AND {field} < TIMESTAMP '{end_of(kind, start)}')"


def layout(partitioning, clustering):
    by = partitioning and ((partitioning.type or "DAY").upper(), partitioning.field)
    return by, (clustering and clustering.fields) or None


def check_layout(table, kept, config):
    by, clustered = layout(
        getattr(config, "timePartitioning", None), getattr(config, "clustering", None)
    )
    kept_by, kept_clustered = layout(kept.timePartitioning, kept.clustering)
    if by and by != kept_by:
        raise invalid(
            f"Incompatible table partitioning specification for {names.label(*table)}. "
            f"Expects {kept_by}, but input partitioning specification is {by}"
        )
    if clustered and clustered != kept_clustered:
        raise invalid(
            f"Incompatible table clustering specification for {names.label(*table)}. "
            f"Expects {kept_clustered}, but input clustering specification is {clustered}"
        )


def check_types(table, had, config):
    """Refuses a field of another type than the table's."""
    given = getattr(config, "schema_", None)
    if not given:
        return
    types = {field.name.casefold(): field.type for field in had}
    for field in given.fields or []:
        kept = types.get(field.name.casefold(), field.type)
        if STANDARD.get(kept, kept) != STANDARD.get(field.type, field.type):
            raise invalid(
                f"Provided Schema does not match Table {names.label(*table)}. "
                f"Field {field.name} has changed type from {kept} to {field.type}"
            )


def describe(table, had, kept, given):
    """Keeps what the job's schema says of the fields that are new."""
    names_had = {field.name.casefold() for field in had}
    new = [
        field
        for field in (given and given.fields) or []
        if field.name.casefold() not in names_had
    ]
    if new:
        described = [*tables.fields(kept or Table()), *new]
        tables.annotate(table, Table(schema={"fields": [f.dump() for f in described]}))


def write(
    cursor, query, params, reference, config, default="WRITE_EMPTY", *rest, **more
):
    table, partition = split(*reference)
    if not partition:
        return plain_write(
            cursor, query, params, reference, config, default, *rest, **more
        )
    with alone:
        kept = stored(table)
        had = plain_columns(*table) if kept else []
        where = rows_of(table, partition, (kept or config).timePartitioning)
        label = names.label(*reference)
        [(strays,)] = cursor.execute(
            f"SELECT count(*) FROM ({query}) WHERE {where} IS NOT TRUE", params
        ).fetchall()
        if strays:
            raise invalid(
                "Some rows belong to different partitions rather than destination "
                f"partition {label}"
            )
        disposition = config.writeDisposition or default
        append = config.replace(writeDisposition="WRITE_APPEND")
        if kept:
            check_layout(table, kept, config)
            check_types(table, had, config)
            append = append.replace(timePartitioning=None, clustering=None)
        mine = f"FROM {tables.name(*table)} WHERE {where}"
        if kept and disposition == "WRITE_EMPTY":
            if cursor.execute(f"SELECT 1 {mine} LIMIT 1").fetchall():
                raise BigQueryError("duplicate", f"Already Exists: Table {label}")
        more["isolated"] = False
        cursor.execute("BEGIN")
        try:
            if kept and disposition == "WRITE_TRUNCATE":
                cursor.execute(f"DELETE {mine}")
            plain_write(
                cursor, query, params, table, append, "WRITE_APPEND", *rest, **more
            )
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
    describe(table, had, kept, getattr(config, "schema_", None))
    # The caller would describe a table of the decorated name.
    return False


def columns(project, dataset, name):
    table, _ = split(project, dataset, name)
    if dataset == tables.RESULTS:
        return plain_columns(*table)
    with database.cursor() as cursor:
        try:
            found = cursor.sql(f"SELECT * FROM {tables.name(*table)} LIMIT 0")
        except duckdb.CatalogException:
            raise not_found("Table", names.label(*table)) from None
        return [types.field(*column) for column in zip(found.columns, found.types)]


def notes_of(project):
    return quote(f"__ducklake_metadata_{project}")


def is_dataset(project, dataset):
    if project not in database._attached:
        return False
    found = database.fetch(
        f"SELECT 1 FROM {notes_of(project)}.ducklake_schema "
        "WHERE schema_name = $1 AND end_snapshot IS NULL",
        [dataset],
    )
    return bool(found)


def objects(project, dataset, name=None):
    if project not in database._attached:
        return plain_objects(project, dataset, name)
    kept = notes_of(project)
    return database.fetch(
        f"""WITH here AS (SELECT schema_id FROM {kept}.ducklake_schema
                           WHERE schema_name = $1 AND end_snapshot IS NULL)
        SELECT table_name, 'TABLE', coalesce(record_count, 0)
          FROM {kept}.ducklake_table LEFT JOIN {kept}.ducklake_table_stats USING (table_id)
         WHERE end_snapshot IS NULL AND schema_id IN (FROM here)
           AND table_name = coalesce($2, table_name)
        UNION ALL
        SELECT view_name, 'VIEW', 0 FROM {kept}.ducklake_view
         WHERE end_snapshot IS NULL AND schema_id IN (FROM here)
           AND view_name = coalesce($2, view_name)
         ORDER BY 1""",
        [dataset, name],
    )


def load(project, dataset, name):
    table, partition = split(project, dataset, name)
    found = plain_load(*table)
    if partition:
        where = rows_of(table, partition, found.timePartitioning)
    elif found.timePartitioning and found.schema_ and tables.fields(found):
        # The server's own count still has the rows that were replaced.
        where = "true"
    else:
        return found
    [(rows,)] = database.fetch(
        f"SELECT count(*) FROM {tables.name(*table)} WHERE {where}"
    )
    size = str(tables.logical_bytes(rows, len(tables.fields(found))))
    return found.replace(numRows=str(rows), numBytes=size)


def delete(project, dataset, name):
    table, partition = split(project, dataset, name)
    if not partition:
        return plain_delete(*table)
    where = rows_of(table, partition, plain_load(*table).timePartitioning)
    with alone:
        database.execute(f"DELETE FROM {tables.name(*table)} WHERE {where}")


def source(reference):
    table, partition = split(*reference)
    if not partition:
        return plain_source(reference)
    where = rows_of(table, partition, plain_load(*table).timePartitioning)
    return f"(SELECT * FROM {tables.name(*table)} WHERE {where})"


def update(project, dataset, name, body, *rest):
    if body.view and body.view.query:
        query = translate_view(project, dataset, body.view.query)
        view = tables.name(project, dataset, name)
        database.execute(f"CREATE OR REPLACE VIEW {view} AS {query}")
    return plain_update(project, dataset, name, body, *rest)


def save(job):
    jobs[job.jobReference.projectId, job.jobReference.jobId] = job
    return job


def list_jobs(project, states=None, parent=None, since=None, until=None):
    def wanted(job):
        made = int(job.statistics.creationTime)
        return (
            job.jobReference.projectId == project
            and job.statistics.parentJobId == parent
            and (not states or job.status.state in states)
            and (since is None or made >= since)
            and (until is None or made <= until)
        )

    found = [job for job in list(jobs.values()) if wanted(job)]
    return sorted(found, key=lambda job: -int(job.statistics.creationTime))


def query(job, *rest):
    if READS.match(job.configuration.query.query or ""):
        done = plain_query(job, *rest)
    else:
        with alone:
            done = plain_query(job, *rest)
    answer = job.configuration.query.destinationTable
    if answer and answer.datasetId == tables.RESULTS:
        answers.append((answer.projectId, answer.datasetId, answer.tableId))
        if len(answers) > 50:
            plain_delete(*answers.popleft())
    return done


tables.write, tables.columns, tables.delete, tables.load = write, columns, delete, load
tables.update, copy._source, runner._query = update, source, query
database.objects, datasets.exists = objects, is_dataset
store.save, store.list_ = save, list_jobs
store.load = lambda project, id: jobs.get((project, id))
store.delete = lambda project, id: jobs.pop((project, id), None)
for module, function in [
    (datasets, "create"),
    (datasets, "delete"),
    (datasets, "get"),
    (datasets, "update"),
    (load_job, "paths"),
    (runner, "submit"),
    (tables, "create"),
    (tables, "delete"),
    (tables, "get"),
    (tables, "update"),
    (tables, "write"),
]:
    setattr(module, function, one_at_a_time(getattr(module, function)))

if __name__ == "__main__":
    from local_bigquery.cli import main

    main()
