-- What names schedules. A step of its own: who waits for their table holds no other one that the release before uses.
ALTER TABLE calling_list ADD FOREIGN KEY (tenant, schedule) REFERENCES schedule (tenant, name) DEFERRABLE INITIALLY DEFERRED;
