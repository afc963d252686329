-- The name of a DN's switch. It is no foreign key: switches are documents. Absent means the tenant's default one, if any.
ALTER TABLE dn ADD COLUMN switch TEXT;
-- The options of an application: a JSON object of objects of texts. Absent means none.
ALTER TABLE application ADD COLUMN options TEXT;
