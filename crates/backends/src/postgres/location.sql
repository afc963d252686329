-- Where phones are, for emergency calls: an address, a point, or both, as JSON. And whether a trunk's carrier is told (1 or 0).
ALTER TABLE tenant ADD COLUMN location TEXT;
ALTER TABLE place ADD COLUMN location TEXT;
ALTER TABLE dn ADD COLUMN location TEXT;
ALTER TABLE trunk ADD COLUMN tells_location BIGINT;
