-- The name of the request by which a table of people was taken: one that is sent again under the same counts once; empty where none was
-- noted. And whether nobody knows if the table was taken (1 or 0): `faults` say that too, which the release before takes for a refusal.
ALTER TABLE people_import ADD COLUMN request TEXT NOT NULL DEFAULT '';
ALTER TABLE people_import ADD COLUMN is_unknown INTEGER NOT NULL DEFAULT 0;
