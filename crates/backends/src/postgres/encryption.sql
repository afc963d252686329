-- Whether audio is encrypted: off, offered or required. Absent means off.
ALTER TABLE dn ADD COLUMN encryption TEXT;
ALTER TABLE trunk ADD COLUMN encryption TEXT;
