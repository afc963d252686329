-- How people of the tenant sign in besides by their passwords, as JSON; none by these alone.
ALTER TABLE tenant ADD COLUMN sign_in TEXT;
-- Where a program is told that a sign-in of it has ended.
ALTER TABLE client ADD COLUMN backchannel_logout_uri TEXT;
