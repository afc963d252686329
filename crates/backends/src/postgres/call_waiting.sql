-- Whether another call rings at a phone that is in one: 1 or 0. Absent means 1.
ALTER TABLE dn ADD COLUMN call_waiting BIGINT;
