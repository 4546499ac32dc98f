-- What sharedb-postgres needs. Run once, as the user that the servers connect as: psql -f schema.sql

-- The history: each op once, under the version that it made. The key is what keeps two servers from committing the same version.
CREATE TABLE IF NOT EXISTS ops (
  collection varchar(255) NOT NULL,
  doc_id     varchar(255) NOT NULL,
  version    integer      NOT NULL,
  operation  jsonb        NOT NULL,
  PRIMARY KEY (collection, doc_id, version)
);

-- The documents as they are now, with ShareDB's notes on them. Type and data are null where a document was deleted.
CREATE TABLE IF NOT EXISTS snapshots (
  collection varchar(255) NOT NULL,
  doc_id     varchar(255) NOT NULL,
  doc_type   varchar(255),
  version    integer      NOT NULL,
  data       jsonb,
  metadata   jsonb,
  PRIMARY KEY (collection, doc_id)
);

-- Rows of `snapshots` are rewritten with each op: room in the pages keeps that from touching the index.
ALTER TABLE snapshots SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
