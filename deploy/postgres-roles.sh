#!/bin/sh
# Run once by the Postgres image on a new cluster: the owner (migrations), the roles of the API, of the workers and of the identity store, and
# their database.
# The same roles and rights as src/segloop/stack/postgres.py makes; tests/architecture holds the two together.
set -eu

psql -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres <<'SQL'
\getenv owner_password POSTGRES_OWNER_PASSWORD
\getenv app_password POSTGRES_APP_PASSWORD
\getenv worker_password POSTGRES_WORKER_PASSWORD
\getenv identity_password POSTGRES_IDENTITY_PASSWORD
CREATE ROLE segloop_owner LOGIN PASSWORD :'owner_password'
    NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
CREATE ROLE segloop_app LOGIN PASSWORD :'app_password'
    NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
CREATE ROLE segloop_worker LOGIN PASSWORD :'worker_password'
    NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
CREATE ROLE segloop_identity LOGIN PASSWORD :'identity_password'
    NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
CREATE DATABASE segloop OWNER segloop_owner TEMPLATE template0;
REVOKE ALL ON DATABASE segloop FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE segloop TO segloop_app;
GRANT CONNECT ON DATABASE segloop TO segloop_worker;
GRANT CONNECT ON DATABASE segloop TO segloop_identity;
\connect segloop
ALTER SCHEMA public OWNER TO segloop_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO segloop_app;
SQL
