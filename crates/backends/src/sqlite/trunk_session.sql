-- The session interval that is asked of a trunk's carrier and granted to it, in seconds. Absent means the installation's.
ALTER TABLE trunk ADD COLUMN session_expires_s INTEGER;
