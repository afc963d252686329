-- What few programs have, as JSON: their public keys. None by default.
ALTER TABLE client ADD COLUMN extras TEXT;
