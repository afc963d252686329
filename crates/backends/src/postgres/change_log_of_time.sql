-- Entries that are too old are found by their time, whatever stands before them. A step of its own: the largest table is read for it, and
-- meanwhile nobody writes there; no other table is held. Not CONCURRENTLY: that waits for the processes that wait for this step.
CREATE INDEX change_log_of_time ON change_log (tenant, changed_ms, number);
