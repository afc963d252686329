-- What tells a tenant from others that had its id before: a random number; 0 of those that were there before this was noted. What others
-- keep of a tenant outside of the database names it.
ALTER TABLE tenant ADD COLUMN life INTEGER NOT NULL DEFAULT 0;
