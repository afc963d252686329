-- How many calls a trunk takes at a time, and how many calls outside a phone may have. Absent means no limit; at a phone, the tenant's.
ALTER TABLE trunk ADD COLUMN calls_max INTEGER;
ALTER TABLE tenant ADD COLUMN outgoing_max INTEGER;
ALTER TABLE dn ADD COLUMN outgoing_max INTEGER;
