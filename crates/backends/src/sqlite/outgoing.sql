-- The number that calls by a trunk show. Absent shows that of who calls.
ALTER TABLE trunk ADD COLUMN caller_id TEXT;
