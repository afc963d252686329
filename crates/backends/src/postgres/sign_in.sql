-- How people sign in: their address for mail, the Argon2id hash of their password, the names of what they may do (with blanks between), and
-- whether they may not sign in (1 or 0).
ALTER TABLE person ADD COLUMN email TEXT;
ALTER TABLE person ADD COLUMN password TEXT;
ALTER TABLE person ADD COLUMN privileges TEXT;
ALTER TABLE person ADD COLUMN disabled BIGINT;

-- Programs that get tokens: the Argon2id hash of their secret, and the names of their grants and scopes with blanks between.
CREATE TABLE client (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    id TEXT NOT NULL COLLATE nocase,
    name TEXT NOT NULL,
    secret TEXT,
    grants TEXT NOT NULL,
    scopes TEXT NOT NULL,
    UNIQUE (tenant, id)
);

-- Where they have people sent back to.
CREATE TABLE client_redirect_uri (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    uri TEXT NOT NULL,
    PRIMARY KEY (tenant, id, place),
    FOREIGN KEY (tenant, id) REFERENCES client (tenant, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
