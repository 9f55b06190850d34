"""The role with which admin uses the embedded database: it owns the database and is no superuser.

The statements run in Postgres' single-user mode, before the server starts, so that the superuser needs no password.
Each takes one line, as that mode requires, and can be repeated.
"""

import base64
import hashlib
import hmac
import secrets

SUPERUSER = "postgres"
ROLE = "flytetemporal"
_ITERATIONS = 4096
# Clusters of releases before the role belong to the superuser. REASSIGN OWNED refuses the objects of that one.
_TAKE_OVER = f"""
DO $$ DECLARE statement text; BEGIN FOR statement IN
SELECT format('ALTER %s %s OWNER TO {ROLE}', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) FROM pg_class c
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT EXISTS
(SELECT FROM pg_depend WHERE objid = c.oid AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass)
UNION ALL SELECT format('ALTER ROUTINE %s OWNER TO {ROLE}', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT format('ALTER TYPE %s OWNER TO {ROLE}', oid::regtype) FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
LOOP EXECUTE statement; END LOOP; END $$
"""  # noqa: S608  the role is a constant


def statements(database: str, password: str) -> str:
    """Return the statements that create the role, or set its password and take away what it must not have."""
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    lines = (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN CREATE ROLE {ROLE}; END IF; "
        "END $$",
        f"ALTER ROLE {ROLE} {rights} PASSWORD '{verifier(password)}'",
        f"ALTER ROLE {SUPERUSER} PASSWORD NULL",
        f"ALTER DATABASE {database} OWNER TO {ROLE}",
        f"ALTER SCHEMA public OWNER TO {ROLE}",
        " ".join(_TAKE_OVER.split()),
    )
    return "\n".join(lines) + "\n"


def verifier(password: str) -> str:
    """Return what Postgres keeps of a password (SCRAM-SHA-256, RFC 5803): nobody can log in with it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored, server = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt_text}${stored}:{server}"
