-- The passkeys of people: public keys alone. One is good as long as the person's second factor names its handle; it goes with its person, also
-- where a release removes the person that knows nothing of it. Ids are unique over all tenants: they are found by them alone. `used_ms` is 0
-- for one that was never shown.
CREATE TABLE passkey (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE nocase,
    handle TEXT NOT NULL,
    public_key TEXT NOT NULL,
    counter BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL,
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX passkey_of_person ON passkey (tenant, user_name, created_ms);
