-- Embeddings as vectors of pgvector, for a charter store on Postgres: an option. See docs/reference/vectors.md.
--
-- Run it as a superuser in the database of the store, after the first upgrade; stores that are opened then use it:
--     psql --set ON_ERROR_STOP=1 --dbname decisions --file vectors.sql
-- For another schema than charter, name it first: PGOPTIONS="-c charter.schema=other" psql …
-- It is one statement, so all of it takes effect or nothing, and it may be run any number of times.
-- To undo it: DROP FUNCTION charter.embedding_vector(bytea), charter.unchecked_vector(bytea, integer, boolean).
--
-- pgvector makes no vector of bytes, though it keeps one as just these: its dimension, two bytes of zero, float32.
-- unchecked_vector takes them as they are and looks at nothing, so nobody but its owner may call it.
-- embedding_vector calls it, for anybody, with what it has given the right form itself; it runs with the rights of its
-- owner, so each name in it says where it is from, and no search path of a caller matters.

DO $$
DECLARE
  store_schema CONSTANT text := coalesce(nullif(current_setting('charter.schema', true), ''), 'charter');
  vector_schema text;
  is_right boolean;
BEGIN
  CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
  SELECT nspname INTO STRICT vector_schema
    FROM pg_catalog.pg_extension JOIN pg_catalog.pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector';

  -- Not replaced: a function that is replaced stays with its owner, and with those who were given it.
  EXECUTE format(
    'DROP FUNCTION IF EXISTS %1$I.embedding_vector(bytea), %1$I.unchecked_vector(bytea, integer, boolean)', store_schema
  );

  EXECUTE format($make$
    CREATE FUNCTION %1$I.unchecked_vector(data bytea, dimension integer, is_explicit boolean)
      RETURNS %2$I.vector LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS '$libdir/vector', 'vector'
  $make$, store_schema, vector_schema);
  EXECUTE format('REVOKE ALL ON FUNCTION %I.unchecked_vector(bytea, integer, boolean) FROM PUBLIC', store_schema);

  EXECUTE format($make$
    CREATE FUNCTION %1$I.embedding_vector(data bytea)
      RETURNS %2$I.vector LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SECURITY DEFINER AS $body$
    DECLARE
      dimension pg_catalog.int4 := pg_catalog.octet_length(data) OPERATOR(pg_catalog./) 4;
      header pg_catalog.bytea := E'\\x00000000';
    BEGIN
      IF pg_catalog.octet_length(data) OPERATOR(pg_catalog.<>) (4 OPERATOR(pg_catalog.*) dimension)
        OR dimension OPERATOR(pg_catalog.<) 1 OR dimension OPERATOR(pg_catalog.>) 16000
      THEN
        RETURN NULL;
      END IF;
      header := pg_catalog.set_byte(header, 0, dimension OPERATOR(pg_catalog.%%) 256);
      header := pg_catalog.set_byte(header, 1, dimension OPERATOR(pg_catalog./) 256);
      RETURN %1$I.unchecked_vector(header OPERATOR(pg_catalog.||) data, dimension, true);
    END
    $body$
  $make$, store_schema, vector_schema);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %I.embedding_vector(bytea) TO PUBLIC', store_schema);

  -- (3, -4) as the store keeps it, in the order of bytes that the store has and this server must have too. Its type is
  -- said, or the function of that name for texts would be called, which may be anybody's.
  EXECUTE format(
    $ask$ SELECT %1$I.embedding_vector('\x00004040000080c0'::pg_catalog.bytea) OPERATOR(%2$I.=) '[3,-4]'::%2$I.vector $ask$,
    store_schema, vector_schema
  ) INTO is_right;
  IF is_right IS NOT TRUE THEN
    RAISE EXCEPTION 'pgvector keeps vectors in another form on this server; nothing was changed';
  END IF;
END
$$;
