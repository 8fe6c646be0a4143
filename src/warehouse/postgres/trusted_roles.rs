//! Whom and what the program trusts, as SQL.

/// SQL that tells whether an owner is trusted: it is the session's role, a role that this one was
/// made a member of, or a superuser. That a superuser counts as a member of every role tells
/// nothing: the grants are looked up. To a superuser, only grants that a superuser made count:
/// whoever has the ADMIN option on a role can make the superuser a member of it.
pub(super) fn trusted(owner: &str) -> String {
    format!(
        "({owner} IN (
            WITH RECURSIVE mine AS (
                SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)
                UNION
                SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN mine ON m.member = mine.oid,
               LATERAL pg_catalog.to_jsonb(m) AS how
                 WHERE coalesce((how->>'inherit_option')::bool OR (how->>'set_option')::bool, true)
                   AND (NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)
                        OR m.grantor IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper)))
            SELECT oid FROM mine
            UNION ALL SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper))"
    )
}

/// Functions of the server that run a text as a query, read a value of any type by its name, or
/// change the session, though some of them are declared immutable or stable.
const DENIED: &str = "'^((query|cursor|table|schema|database)_to_xml.*|ts_(stat|rewrite)|pg_input_.*\
    |(domain|array|record|range|multirange|enum)_(in|recv)|jsonb?_(populate|to_record).*|set_config)$'";

/// Functions of the server that are volatile and harmless.
const VOLATILE: &str = "('random', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'clock_timestamp', \
    'statement_timestamp', 'timeofday', 'nextval')";

/// The first object that a user made has this number or a higher one.
const FIRST_OF_USERS: u32 = 16384;

/// SQL that tells whether an expression calls nothing but immutable functions of the server, which
/// run no statement, and has values of the server's own types alone. That a function belongs to
/// the server is not enough: some of its own run any text as a query. `expression` is a
/// `pg_node_tree`.
pub(super) fn harmless(expression: &str) -> String {
    format!(
        "(NOT EXISTS (
            SELECT FROM pg_catalog.regexp_matches({expression}::text, '{FUNCTIONS}', 'g') AS called (oid)
              LEFT JOIN pg_catalog.pg_proc f ON f.oid = (called.oid[1])::oid
             WHERE (f.oid < {FIRST_OF_USERS} AND f.provolatile = 'i' AND f.proname !~ {DENIED}) IS NOT TRUE)
          AND NOT EXISTS (
            SELECT FROM pg_catalog.regexp_matches({expression}::text, '{TYPES}', 'g') AS of (oid)
             WHERE (of.oid[1])::oid >= {FIRST_OF_USERS}))"
    )
}

/// Where an expression, as text, names the functions that it calls.
pub(super) const FUNCTIONS: &str = ":(?:funcid|opfuncid) ([1-9][0-9]*)";

/// Where an expression, as text, names the types of its values.
pub(super) const TYPES: &str = ":(?:[a-z_]*type|typid|[a-z_]*typeid|typeId) ([1-9][0-9]*)";

/// SQL that tells whether a function, a row of `pg_proc`, may be called on a table of an owner who
/// is trusted. Functions that users made are judged by their owners.
pub(super) fn callable(function: &str) -> String {
    format!(
        "({function}.oid >= {FIRST_OF_USERS} OR {function}.proname IN {VOLATILE}
          OR {function}.provolatile <> 'v' AND {function}.proname !~ {DENIED})"
    )
}
