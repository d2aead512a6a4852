-- The database of Door and the app's role, which owns its schema and nothing else.
-- PostgreSQL's image runs this once, as superuser, when its volume is empty. A superuser
-- can run programs on the server (COPY ... TO PROGRAM), so the app must not be one.

\getenv password POSTGRES_PASSWORD

CREATE ROLE door LOGIN PASSWORD :'password';
CREATE DATABASE door ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE door, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE door TO door;

-- The superuser is reached by the socket in this container, and by no password.
ALTER ROLE CURRENT_USER PASSWORD NULL;

\connect door
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA door AUTHORIZATION door;  -- PostgreSQL looks first in the role's own name
