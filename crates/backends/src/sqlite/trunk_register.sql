-- Whether we register with the carrier: 1 or 0. Absent means 0.
ALTER TABLE trunk ADD COLUMN registers INTEGER;
