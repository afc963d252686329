-- What is done with signatures of calls that come (off, as without a value; report; require), and who vouches for them, as PEM.
ALTER TABLE trunk ADD COLUMN stir_verify TEXT;
ALTER TABLE trunk ADD COLUMN stir_authorities TEXT;
