//! Whom and what the program trusts, as SQL.

/// SQL that tells whether an owner is trusted: it is the session's role, a role that this one was
/// made a member of, or a superuser. That a superuser counts as a member of every role tells
/// nothing: the grants are looked up.
pub(super) fn trusted(owner: &str) -> String {
    format!(
        "({owner} IN (
            WITH RECURSIVE mine AS (
                SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)
                UNION
                SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN mine ON m.member = mine.oid,
               LATERAL pg_catalog.to_jsonb(m) AS how
                 WHERE coalesce((how->>'inherit_option')::bool OR (how->>'set_option')::bool, true))
            SELECT oid FROM mine
            UNION ALL SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper))"
    )
}

/// SQL that tells whether an expression calls nothing but immutable functions of the server, which
/// run no statement. That a function belongs to the server is not enough: some of its own run any
/// text as a query. `expression` is a `pg_node_tree`.
pub(super) fn harmless(expression: &str) -> String {
    format!(
        "NOT EXISTS (
            SELECT FROM pg_catalog.regexp_matches({expression}::text, ':(?:funcid|opfuncid) ([0-9]+)', 'g') AS called (oid)
              LEFT JOIN pg_catalog.pg_proc f ON f.oid = (called.oid[1])::oid
             WHERE (f.pronamespace = 'pg_catalog'::regnamespace AND f.provolatile = 'i') IS NOT TRUE)"
    )
}
