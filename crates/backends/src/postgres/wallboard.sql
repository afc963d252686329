-- What the wallboard counts by. Absent is the default of the program.
ALTER TABLE tenant ADD COLUMN time_zone TEXT;
ALTER TABLE dn ADD COLUMN service_level_s BIGINT;
ALTER TABLE dn ADD COLUMN short_abandon_s BIGINT;
