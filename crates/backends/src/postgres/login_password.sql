-- Whether agents log in by their PINs alone: optional or required. Absent means optional.
ALTER TABLE tenant ADD COLUMN login_password TEXT;
