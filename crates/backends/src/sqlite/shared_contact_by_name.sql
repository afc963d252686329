-- Shared contacts are read by name, a page at a time, and searched where they are. A release that knows nothing of it leaves both columns
-- empty: such a contact is searched as it stands in its document.
ALTER TABLE shared_contact ADD COLUMN by_name TEXT;
ALTER TABLE shared_contact ADD COLUMN searched TEXT;
UPDATE shared_contact SET by_name =
    CASE WHEN json_valid(document) THEN coalesce(lower(json_extract(document, '$.name')), '') ELSE '' END || char(10) || id;
CREATE UNIQUE INDEX shared_contact_by_name ON shared_contact (tenant, by_name);
