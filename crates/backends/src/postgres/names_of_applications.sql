-- What names applications. A step of its own: who waits for their table holds no other one that the release before uses.
ALTER TABLE ivr_profile ADD FOREIGN KEY (tenant, application) REFERENCES application (tenant, name) DEFERRABLE INITIALLY DEFERRED;
