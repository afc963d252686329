-- The user and password that who calls by a trunk has to give.
ALTER TABLE trunk ADD COLUMN inbound_user TEXT;
ALTER TABLE trunk ADD COLUMN inbound_password TEXT;
