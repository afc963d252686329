-- The user name and password that answer a carrier's challenges.
ALTER TABLE trunk ADD COLUMN user_name TEXT;
ALTER TABLE trunk ADD COLUMN password TEXT;
