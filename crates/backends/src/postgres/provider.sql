-- How people of the tenant sign in besides by their passwords, as JSON; none by these alone.
ALTER TABLE tenant ADD COLUMN sign_in TEXT;
