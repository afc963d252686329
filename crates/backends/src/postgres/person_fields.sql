-- What another directory calls the person, and whether the person chooses another password at the next sign-in. That the first is unique in
-- the tenant is a rule of tenants, as others are: people who exchange theirs change in one batch.
ALTER TABLE person ADD COLUMN external_id TEXT;
ALTER TABLE person ADD COLUMN change_password BIGINT;
