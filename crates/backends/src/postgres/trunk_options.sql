-- Whether its carrier is asked by OPTIONS whether it is there: 1 or 0. Absent means 0.
ALTER TABLE trunk ADD COLUMN options BIGINT;
