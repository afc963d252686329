-- Whether a trunk's carrier is told that we support reliable provisional responses (1 or 0). Absent means that it is.
ALTER TABLE trunk ADD COLUMN reliable BIGINT;
