-- How many connections may be opened.

-- name: connection_limit
-- What the server, the database and the login allow, the least of it; superusers are kept back by the first only.
SELECT least(
    current_setting('max_connections')::int
        - CASE WHEN login.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
            -- Since 16; who has pg_use_reserved_connections is counted short, which does no harm.
            + coalesce(current_setting('reserved_connections', true), '0')::int END,
    -- least() passes over nulls: -1 means that there is no limit.
    CASE WHEN NOT login.rolsuper THEN nullif(login.rolconnlimit, -1) END,
    CASE WHEN NOT login.rolsuper THEN nullif(place.datconnlimit, -1) END
)
FROM pg_catalog.pg_roles AS login, pg_catalog.pg_database AS place
WHERE login.rolname = session_user AND place.datname = current_database();
