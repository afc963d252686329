-- Whether the carrier of a trunk hears who calls before it answers: 1 or 0. Absent means 0.
ALTER TABLE trunk ADD COLUMN early_speech BIGINT;
