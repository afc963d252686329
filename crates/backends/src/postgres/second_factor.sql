-- What a person shows besides the password, sealed with the installation's key, and the privileges whose people need that (names with blanks
-- between).
ALTER TABLE person ADD COLUMN second_factor TEXT;
ALTER TABLE tenant ADD COLUMN require_second_factor TEXT;
