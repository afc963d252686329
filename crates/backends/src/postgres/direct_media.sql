-- Whether audio may go directly to another party, without media: 1 or 0. Absent means 0.
ALTER TABLE dn ADD COLUMN direct_media BIGINT;
ALTER TABLE trunk ADD COLUMN direct_media BIGINT;
