-- What few programs have, as JSON: their public keys, their page for sign-outs. None by default.
ALTER TABLE client ADD COLUMN extras TEXT;
