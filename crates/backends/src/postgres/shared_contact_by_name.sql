-- Shared contacts are read by name, a page at a time, and searched where they are. A release that knows nothing of it leaves both columns
-- empty: such a contact is searched as it stands in its document.
ALTER TABLE shared_contact
    ADD COLUMN by_name TEXT COLLATE "C",
    ADD COLUMN searched TEXT,
    ADD CONSTRAINT shared_contact_by_name UNIQUE (tenant, by_name);
UPDATE shared_contact SET by_name =
    left(coalesce(lower(substring(document from '"name":"([^"]*)"')), ''), 200) || chr(10) || id;
