-- With what calls by a trunk are signed (STIR): where the certificate is, its key and the certificate itself, as PEM.
ALTER TABLE trunk ADD COLUMN stir_certificate_url TEXT;
ALTER TABLE trunk ADD COLUMN stir_private_key TEXT;
ALTER TABLE trunk ADD COLUMN stir_certificate TEXT;
-- What is done with signatures of calls that come (off, as without a value; report; require), and who vouches for them, as PEM.
ALTER TABLE trunk ADD COLUMN stir_verify TEXT;
ALTER TABLE trunk ADD COLUMN stir_authorities TEXT;
