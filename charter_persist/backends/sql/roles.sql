-- Roles of a charter store on Postgres, and what each may do. See docs/how-to/postgres-roles.md.
--
-- Run it as a superuser before the first upgrade, and again, as a superuser or a migrator, after each upgrade:
--     psql --set ON_ERROR_STOP=1 --dbname decisions --file roles.sql
-- For another schema than charter, name it first: PGOPTIONS="-c charter.schema=other" psql …
-- It is one statement, so all of it takes effect or nothing, and it may be run any number of times.
--
-- The four are group roles without login. Make a login role for each person and program, and grant it one of them:
--     CREATE ROLE decisions_web LOGIN PASSWORD '…';  GRANT charter_app TO decisions_web;

DO $$
DECLARE
  store_schema CONSTANT text := coalesce(nullif(current_setting('charter.schema', true), ''), 'charter');
  role_name text;
  item record;
BEGIN
  -- charter_owner    owns the schema and all in it; nobody works as it
  -- charter_migrator may become the owner, and does so to upgrade
  -- charter_app      records and reads; can change or remove nothing that was recorded
  -- charter_auditor  reads
  FOREACH role_name IN ARRAY ARRAY['charter_owner', 'charter_migrator', 'charter_app', 'charter_auditor'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
    END IF;
  END LOOP;
  IF NOT pg_has_role('charter_migrator', 'charter_owner', 'MEMBER') THEN
    GRANT charter_owner TO charter_migrator;
  END IF;

  IF to_regnamespace(quote_ident(store_schema)) IS NULL THEN
    EXECUTE format('CREATE SCHEMA %I AUTHORIZATION charter_owner', store_schema);
  END IF;
  FOR item IN
    SELECT format('SCHEMA %I', nspname) AS thing, nspowner AS owner
      FROM pg_catalog.pg_namespace WHERE nspname = store_schema
    UNION ALL
    SELECT format('TABLE %I.%I', store_schema, relname), relowner
      FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(quote_ident(store_schema)) AND relkind = 'r'
    UNION ALL
    SELECT format('FUNCTION %I.%I()', store_schema, proname), proowner
      FROM pg_catalog.pg_proc
      WHERE pronamespace = to_regnamespace(quote_ident(store_schema)) AND proname = 'refuse_change'
  LOOP
    IF item.owner <> 'charter_owner'::regrole THEN
      EXECUTE format('ALTER %s OWNER TO charter_owner', item.thing);
    END IF;
  END LOOP;

  EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC, charter_app, charter_auditor', store_schema);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO charter_app, charter_auditor', store_schema);
  FOR item IN
    SELECT * FROM (VALUES
      -- append-only; of kv_change and metadata_log the guards let only replaced rows go: compaction and erasure;
      -- of archive_entry, event, message_log and thread_log they let payload and nonce be emptied: erasure
      ('archive_entry', 'SELECT, INSERT, UPDATE (data, nonce)'),
      ('audit_event', 'SELECT, INSERT'),
      ('event', 'SELECT, INSERT, UPDATE (data, nonce)'),
      ('intent_edge_log', 'SELECT, INSERT'),
      ('intent_log', 'SELECT, INSERT'),
      ('journal', 'SELECT, INSERT'),
      ('journal_tile', 'SELECT, INSERT'),
      ('kv_change', 'SELECT, INSERT, DELETE'),
      ('message_log', 'SELECT, INSERT, UPDATE (data, nonce)'),
      ('metadata_log', 'SELECT, INSERT, DELETE'),
      ('object', 'SELECT, INSERT'),
      ('ref_log', 'SELECT, INSERT'),
      ('session_log', 'SELECT, INSERT'),
      ('thread_log', 'SELECT, INSERT, UPDATE (data, nonce)'),
      -- what the logs say now
      ('execution', 'SELECT, INSERT, UPDATE'),
      ('intent', 'SELECT, INSERT, UPDATE, DELETE'),
      ('intent_edge', 'SELECT, INSERT, UPDATE, DELETE'),
      ('journal_head', 'SELECT, UPDATE'),
      ('kv_entry', 'SELECT, INSERT, UPDATE, DELETE'),
      ('kv_lease', 'SELECT, INSERT, UPDATE, DELETE'),
      ('lease', 'SELECT, INSERT, UPDATE, DELETE'),
      ('message', 'SELECT, INSERT, UPDATE'),
      ('operation', 'SELECT, INSERT, UPDATE, DELETE'),
      ('ref', 'SELECT, INSERT, UPDATE, DELETE'),
      ('session', 'SELECT, INSERT, UPDATE'),
      ('session_candidate', 'SELECT, INSERT, UPDATE, DELETE'),
      ('session_stance', 'SELECT, INSERT, UPDATE, DELETE'),
      ('thread', 'SELECT, INSERT, UPDATE'),
      -- caches
      ('state_snapshot', 'SELECT, INSERT, UPDATE, DELETE'),
      ('state_value', 'SELECT, INSERT, UPDATE, DELETE'),
      ('vector_collection', 'SELECT, INSERT, UPDATE, DELETE'),
      ('vector_document', 'SELECT, INSERT, UPDATE, DELETE'),
      -- written by the upgrade
      ('charter_alembic_version', 'SELECT'),
      ('store_identity', 'SELECT')
    ) AS rights (table_name, app_may)
    WHERE to_regclass(format('%I.%I', store_schema, table_name)) IS NOT NULL
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %I.%I FROM PUBLIC, charter_app, charter_auditor', store_schema, item.table_name);
    EXECUTE format('GRANT %s ON TABLE %I.%I TO charter_app', item.app_may, store_schema, item.table_name);
    EXECUTE format('GRANT SELECT ON TABLE %I.%I TO charter_auditor', store_schema, item.table_name);
  END LOOP;

  -- A table that an upgrade adds can be read at once, and written after the next run of this script.
  EXECUTE format(
    'ALTER DEFAULT PRIVILEGES FOR ROLE charter_owner IN SCHEMA %I GRANT SELECT ON TABLES TO charter_app, charter_auditor',
    store_schema
  );
  ALTER DEFAULT PRIVILEGES FOR ROLE charter_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
END
$$;
